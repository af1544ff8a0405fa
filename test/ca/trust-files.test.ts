import { X509Certificate } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { afterAll, afterEach, describe, expect, it } from 'vitest'

import { createMaterial } from '../../ca/authority.ts'
import { splitCertificates } from '../../ca/bundle.ts'
import type { TrustFiles, TrustPlan } from '../../ca/trust-files.ts'
import { openTrust } from '../../ca/trust-files.ts'
import { parseHostPattern } from '../../src/policy/host-pattern.ts'
import { scratchDirectory } from './external-tools.ts'

const scratch = scratchDirectory()
const opened: TrustFiles[] = []
let folders = 0

afterEach(async () => {
  for (const trust of opened.splice(0)) await trust.dispose()
})
afterAll(() => scratch.remove())

async function open(
  over: Partial<TrustPlan> & { readonly hosts?: readonly string[] } = {},
): Promise<TrustFiles> {
  const { hosts = ['api.openai.com'], ...rest } = over
  const trust = await openTrust({
    allow: hosts.map(parseHostPattern),
    caDirectory: undefined,
    extraRootPaths: [],
    replacedRootPaths: [],
    ...rest,
  })
  opened.push(trust)
  return trust
}

function newFolder(): string {
  folders += 1
  return join(scratch.path, `ca-${folders}`)
}

function certificatesIn(path: string): string[] {
  return splitCertificates(readFileSync(path, 'utf8'))
}

function root(name: string): { path: string; pem: string } {
  const pem = createMaterial({
    permittedHosts: ['x.example'],
    now: new Date(),
    days: 1,
  }).certificatePem
  const path = join(scratch.path, name)
  writeFileSync(path, pem)
  return { path, pem }
}

const mode = (path: string): number => statSync(path).mode & 0o777

describe('a CA in memory', () => {
  it('writes certificates alone, into a private folder', async () => {
    const { authority, caCertPath, bundlePath, addedRootsPath } = await open()
    const folder = dirname(caCertPath)

    expect(certificatesIn(caCertPath)).toEqual(splitCertificates(authority.certificatePem))
    expect(mode(folder)).toBe(0o700)
    expect(readdirSync(folder).toSorted()).toEqual(
      [caCertPath, bundlePath, addedRootsPath]
        .map((path) => path.slice(folder.length + 1))
        .toSorted(),
    )
    for (const name of readdirSync(folder)) {
      expect(readFileSync(join(folder, name), 'utf8')).not.toContain('PRIVATE')
    }
  })

  it('leaves nothing behind once it is disposed of, twice if need be', async () => {
    const before = new Set(readdirSync(tmpdir()))
    const trust = await open()
    const folder = dirname(trust.caCertPath)
    expect(before.has(folder.slice(tmpdir().length + 1))).toBe(false)

    await trust.dispose()
    await trust.dispose()

    expect(existsSync(folder)).toBe(false)
  })

  it('is another one each time, for 30 days', async () => {
    const [first, second] = [await open(), await open()]
    const { validFromDate, validToDate } = new X509Certificate(first.authority.certificatePem)

    expect(first.authority.certificatePem).not.toBe(second.authority.certificatePem)
    const days = (validToDate.getTime() - validFromDate.getTime()) / 86_400_000
    expect(Math.round(days)).toBeLessThanOrEqual(31)
    expect(Math.round(days)).toBeGreaterThanOrEqual(30)
  })

  it('vouches for the allowed hosts and for no other, not even a built-in one', async () => {
    const { authority } = await open({ hosts: ['a.example', '*.b.example'] })

    expect(authority.permits('a.example')).toBe(true)
    expect(authority.permits('deep.b.example')).toBe(true)
    expect(authority.permits('api.openai.com')).toBe(false)
    expect(authority.permits('evil.example')).toBe(false)
  })
})

describe('a CA in a folder', () => {
  it('is the same one the next time, and stays when the proxy goes', async () => {
    const caDirectory = newFolder()
    const first = await open({ caDirectory })
    await first.dispose()

    const second = await open({ caDirectory })

    expect(second.authority.certificatePem).toBe(first.authority.certificatePem)
    expect(existsSync(second.caCertPath)).toBe(true)
    expect(dirname(second.bundlePath)).toBe(caDirectory)
  })

  it('vouches for the built-in provider hosts too, so that allowing one needs no new CA', async () => {
    const caDirectory = newFolder()
    await open({ caDirectory, hosts: ['api.openai.com'] })

    const { authority } = await open({ caDirectory, hosts: ['api.anthropic.com'] })

    expect(authority.permits('api.anthropic.com')).toBe(true)
    expect(authority.permits('example.com')).toBe(false)
  })

  it.each([['other.example'], ['*.other.example'], ['127.0.0.1']])(
    'that was made without %s is refused for it, with the command that helps',
    async (host) => {
      const caDirectory = newFolder()
      await open({ caDirectory })

      await expect(open({ caDirectory, hosts: ['api.openai.com', host] })).rejects.toMatchObject({
        code: 'ERR_CA_NOT_PERMITTED',
        hint: expect.stringContaining('porthole ca rotate --permit'),
      })
    },
  )
})

describe('the files that programs are pointed at', () => {
  it("add to the user's own added roots, and only those", async () => {
    const mine = root('mine.pem')

    const { addedRootsPath, authority, caCertPath } = await open({ extraRootPaths: [mine.path] })

    expect(certificatesIn(addedRootsPath)).toEqual(
      [mine.pem, authority.certificatePem].flatMap(splitCertificates),
    )
    expect(certificatesIn(caCertPath)).toEqual(splitCertificates(authority.certificatePem))
  })

  it("replace the roots by the system's, the user's and ours", async () => {
    const mine = root('bundle-of-mine.pem')

    const { bundlePath, authority } = await open({ replacedRootPaths: [mine.path] })

    const found = certificatesIn(bundlePath)
    expect(found).toEqual(expect.arrayContaining(splitCertificates(mine.pem)))
    expect(found).toEqual(expect.arrayContaining(splitCertificates(authority.certificatePem)))
    expect(found.length).toBeGreaterThan(20)
  })

  it('do without a file that is not there', async () => {
    const missing = join(scratch.path, 'missing.pem')

    const { addedRootsPath, authority } = await open({
      extraRootPaths: [missing],
      replacedRootPaths: [missing],
    })

    expect(certificatesIn(addedRootsPath)).toEqual(splitCertificates(authority.certificatePem))
  })
})
