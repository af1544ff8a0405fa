import { X509Certificate } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'

import { afterAll, describe, expect, it } from 'vitest'

import { createMaterial } from '../../ca/authority.ts'
import {
  buildBundle,
  joinCertificates,
  splitCertificates,
  systemBundlePaths,
  writePublicFile,
} from '../../ca/bundle.ts'
import { runTool, scratchDirectory } from './external-tools.ts'

const scratch = scratchDirectory()
afterAll(() => scratch.remove())
const make = (): string =>
  createMaterial({ permittedHosts: ['x.com'], now: new Date(), days: 1 }).certificatePem
const ours = make()
const corporate = make()
const system = [make(), make()]

function write(name: string, text: string): string {
  const path = join(scratch.path, name)
  writeFileSync(path, text)
  return path
}
const systemPath = write('system.crt', system.join(''))
const missing = join(scratch.path, 'missing')

describe('a bundle', () => {
  it("holds the user's certificates, then the system's, then ours", () => {
    const existingBundlePath = write('corporate.pem', corporate)

    const bundle = buildBundle({ caPem: ours, existingBundlePath, systemPaths: [systemPath] })

    expect(bundle).toBe([corporate, ...system, ours].join(''))
  })

  it('takes the first system file that can be read and holds a certificate', () => {
    const empty = write('empty.crt', '# nothing here\n')
    const systemPaths = [missing, scratch.path, empty, systemPath, write('later.crt', corporate)]

    expect(buildBundle({ caPem: ours, systemPaths })).toBe([...system, ours].join(''))
  })

  it("falls back to Node's roots, so that it never holds our certificate alone", () => {
    const bundle = buildBundle({ caPem: ours, systemPaths: [missing] })

    const found = splitCertificates(bundle)
    expect(found).toHaveLength(new Set(rootCertificates).size + 1)
    expect(found.at(-1)).toBe(ours)
  })

  it("passes over a user's file that is missing, a folder or a pipe", async () => {
    const pipe = join(scratch.path, 'pipe')
    await runTool('mkfifo', [pipe])

    for (const existingBundlePath of [missing, scratch.path, pipe, '', undefined]) {
      const bundle = buildBundle({ caPem: ours, existingBundlePath, systemPaths: [systemPath] })
      expect(bundle).toBe([...system, ours].join(''))
    }
  })

  it('holds each certificate once, and ours at its end, however often the files repeat them', () => {
    const existingBundlePath = write('twice.pem', [ours, ...system, ...system].join('\n\n'))
    const extraPaths = [write('extra.pem', corporate), missing]

    const options = { caPem: ours, existingBundlePath, extraPaths, systemPaths: [systemPath] }

    expect(buildBundle(options)).toBe([...system, corporate, ours].join(''))
  })

  it('repairs missing newlines and Windows line ends, and drops text between certificates', () => {
    const crlf = corporate.replaceAll('\n', '\r\n').trimEnd()
    const existingBundlePath = write('crlf.pem', `# Corporate root\r\n${crlf}`)

    const bundle = buildBundle({
      caPem: ours.trimEnd(),
      existingBundlePath,
      systemPaths: [systemPath],
    })

    expect(bundle).toBe([corporate, ...system, ours].join(''))
  })

  it('never holds a key or a damaged block', () => {
    const { privateKeyPem } = createMaterial({ permittedHosts: [], now: new Date(), days: 1 })
    const damaged = corporate.replace(/\n[^\n]{20}/u, '\n')
    const truncated = corporate.slice(0, 200)
    const mixed = [privateKeyPem, damaged, privateKeyPem.trimEnd(), corporate, truncated].join('')
    const existingBundlePath = write('mixed.pem', mixed)

    const bundle = buildBundle({ caPem: ours, existingBundlePath, systemPaths: [systemPath] })

    expect(bundle).toBe([corporate, ...system, ours].join(''))
    expect(bundle).not.toContain('PRIVATE')
  })

  it('is accepted whole by openssl', async () => {
    const path = write('all.pem', buildBundle({ caPem: ours, systemPaths: systemBundlePaths }))

    const list = await runTool('openssl', ['storeutl', '-noout', '-certs', path])

    const count = splitCertificates(readFileSync(path, 'utf8')).length
    expect(list.output).toContain(`Total found: ${count}`)
    expect(count).toBeGreaterThan(20)
  })
})

describe('joinCertificates', () => {
  it('keeps at most so many, from the front', () => {
    const joined = joinCertificates([ours, ours, corporate, ...system], 2)

    expect(joined).toBe(ours + corporate)
    expect(new X509Certificate(joined).ca).toBe(true)
  })
})

describe('writePublicFile', () => {
  it('replaces a file in one step and lets everyone read it', async () => {
    const folder = join(scratch.path, 'public')
    mkdirSync(folder)
    const path = join(folder, 'bundle.pem')
    writeFileSync(path, 'old')
    chmodSync(path, 0o600)

    await writePublicFile(path, ours)

    expect(readFileSync(path, 'utf8')).toBe(ours)
    expect(readdirSync(folder)).toEqual(['bundle.pem'])
    if (process.platform !== 'win32') expect(statSync(path).mode & 0o777).toBe(0o644)
  })
})
