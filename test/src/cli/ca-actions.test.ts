import { X509Certificate } from 'node:crypto'
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { openAuthority } from '../../../ca/key-store.ts'
import type { Outcome, Settings } from '../../ca/ca-command.ts'
import { bundleIn, runCa, scratchStores } from '../../ca/ca-command.ts'
import { scratchDirectory } from '../../ca/external-tools.ts'

const now = new Date()
const inDays = (days: number): Date => new Date(now.getTime() + days * 86_400_000)
let scratch: ReturnType<typeof scratchDirectory>
let home = ''
beforeEach(() => {
  scratch = scratchDirectory()
  home = join(scratch.path, 'home')
})
afterEach(() => scratch.remove())

const make = (permittedHosts = ['api.openai.com']): ReturnType<typeof openAuthority> =>
  openAuthority(join(home, 'ca'), { permittedHosts, now })
const ca = (args: readonly string[], settings: Omit<Settings, 'home'> = {}): Promise<Outcome> =>
  runCa(args, { home, at: now, ...settings })

describe('porthole ca show', () => {
  it('prints what the CA is and what it can vouch for', async () => {
    const { authority, caCertPath } = await make(['api.openai.com', '*.x.com'])

    const { text } = await ca(['show'])

    expect(text).toContain(authority.subject)
    expect(text).toContain(authority.fingerprint256)
    expect(text).toContain('api.openai.com, x.com (names with all names under them), and nothing')
    expect(text).toContain('(365 days left)')
    expect(text).toContain(caCertPath)
    expect(text).not.toContain('PRIVATE')
  })

  it('advises to renew in the last month, and still shows one that has expired', async () => {
    await make()

    expect((await ca(['show'], { at: inDays(340) })).text).toContain('porthole ca rotate')
    expect((await ca(['show'], { at: inDays(400) })).text).toContain('expired')
    expect((await ca(['show'])).text).not.toContain('rotate')
  })

  it('says how to make one where there is none', async () => {
    await expect(ca(['show'])).rejects.toMatchObject({ code: 'ERR_CA_MISSING' })
  })
})

describe('porthole ca export', () => {
  it('writes each format, and never the key', async () => {
    const { authority } = await make()
    const file = join(scratch.path, 'ca.p12')

    expect((await ca(['export'])).text).toBe(authority.certificatePem)
    expect((await ca(['export', '--format', 'der'])).out).toEqual(authority.certificateDer)
    await ca(['export', '--format', 'p12', '--out', file])

    expect(readFileSync(file).includes(authority.certificateDer)).toBe(true)
  })

  it('refuses to write binary to a terminal, but not text', async () => {
    const { authority } = await make()

    await expect(ca(['export', '--format', 'der'], { terminal: true })).rejects.toMatchObject({
      code: 'ERR_USAGE',
    })
    expect((await ca(['export'], { terminal: true })).text).toBe(authority.certificatePem)
  })

  it('reports a file that cannot be written', async () => {
    await make()
    const out = join(scratch.path, 'no', 'such', 'folder')

    await expect(ca(['export', '--out', out])).rejects.toMatchObject({
      code: 'ERR_OUTPUT_UNWRITABLE',
      details: { path: out, problem: 'ENOENT' },
    })
  })
})

describe('porthole ca install and uninstall', () => {
  it('asks after showing the commands, and does what the answer says', async () => {
    const { authority } = await make()
    const env = scratchStores(scratch.path)

    const declined = await ca(['install'], { terminal: true, answer: 'n\n', env })
    expect(declined.text).toContain('would run: cp ')
    expect(declined.text).not.toContain('running: ')
    expect(declined.err).toContain('[y/N] nothing was changed')
    expect(bundleIn(env.root)).toBe('')

    const silent = await ca(['install'], { terminal: true, answer: '', env })
    expect(silent.err).toContain('nothing was changed')

    const accepted = await ca(['install'], { terminal: true, answer: 'yes\n', env })
    expect(accepted.text).toContain('running: cp ')
    expect(bundleIn(env.root)).toBe(authority.certificatePem)
  })

  it('needs --yes where it cannot ask, but shows the commands without', async () => {
    await make()
    const env = scratchStores(scratch.path)

    await expect(ca(['install'], { env })).rejects.toMatchObject({ code: 'ERR_USAGE' })
    const { text } = await ca(['install', '--dry-run'], { env })

    expect(text).toContain('would run: ')
    expect(bundleIn(env.root)).toBe('')
  })

  it('removes the CA and the ones that were rotated away', async () => {
    const { authority: first } = await make()
    const env = scratchStores(scratch.path)
    await ca(['install', '--yes'], { env })
    await ca(['rotate'])
    await ca(['install', '--yes'], { env })
    expect(new Set(bundleIn(env.root).match(/BEGIN/gu)).size).toBe(1)
    expect(bundleIn(env.root)).toContain(first.certificatePem)

    await ca(['uninstall', '--old', '--store', 'system', '--yes'], { env })
    const current = readFileSync(join(home, 'ca', 'ca.pem'), 'utf8')
    expect(bundleIn(env.root)).toBe(current)

    await ca(['uninstall', '--store', 'system', '--yes'], { env })
    expect(bundleIn(env.root)).toBe('')
  })

  it('says so when nothing was rotated away', async () => {
    await make()

    const { text } = await ca(['uninstall', '--old', '--yes'], { env: scratchStores(scratch.path) })

    expect(text).toContain('nothing to do')
  })

  it.skipIf(process.platform === 'win32')(
    'does not install a CA whose key others could read',
    async () => {
      await make()
      chmodSync(join(home, 'ca', 'ca.key.pem'), 0o640)

      const env = scratchStores(scratch.path)
      const failure = { code: 'ERR_CA_MODE' }
      await expect(ca(['install', '--yes'], { env })).rejects.toMatchObject(failure)
      await expect(ca(['uninstall', '--store', 'system', '--yes'], { env })).resolves.toBeDefined()
    },
  )

  it('says when a platform has no such store', async () => {
    await make()

    await expect(ca(['install', '--yes'], { platform: 'aix' })).rejects.toMatchObject({
      code: 'ERR_TRUST_UNSUPPORTED',
    })
  })
})

describe('porthole ca status', () => {
  it('says where it is trusted, until when, and which old ones still are', async () => {
    const { authority: old } = await make()
    const env = scratchStores(scratch.path)
    const place = join(env.root, 'etc/ssl/certs/ca-certificates.crt')
    expect((await ca(['status'], { env })).text).toContain(`  not trusted  system  ${place}\n`)
    await ca(['install', '--yes'], { env })
    expect((await ca(['status'], { env })).text).toContain(`  trusted      system  ${place}\n`)
    await ca(['rotate'])

    const { text } = await ca(['status'], { env })

    expect(text).toContain(`  not trusted  system  ${place}\n`)
    expect(text).toContain(`${old.subject} (rotated away, still trusted)\n  trusted      system`)
    expect(text).toContain('365 days left')
    expect(text).toMatch(/ {2}skipped {6}java/u)
  })
})

describe('porthole ca rotate', () => {
  it('lets the new CA vouch for the old hosts, the built-in ones and the new ones', async () => {
    const { authority: before } = await make(['own.example.com'])

    const { text, err } = await ca(['rotate', '--permit', 'a.com,b.com', '--permit', '10.0.0.1'])

    const pem = readFileSync(join(home, 'ca', 'ca.pem'), 'utf8')
    expect(new X509Certificate(pem).fingerprint256).not.toBe(before.fingerprint256)
    for (const host of ['own.example.com', 'api.openai.com', 'anthropic.com', 'a.com', 'b.com']) {
      expect(text).toContain(host)
    }
    expect(text).toContain('10.0.0.1')
    expect(err).toContain('porthole ca install')
  })

  it('makes the first CA, with nothing to install again', async () => {
    const { text, err } = await ca(['rotate'])

    expect(text).toContain('api.openai.com, anthropic.com')
    expect(err).toBe('')
  })

  it('refuses what is no host, and changes nothing', async () => {
    await make()
    const before = readFileSync(join(home, 'ca', 'ca.pem'), 'utf8')

    await expect(ca(['rotate', '--permit', '*'])).rejects.toMatchObject({
      code: 'ERR_HOST_PATTERN',
    })

    expect(readFileSync(join(home, 'ca', 'ca.pem'), 'utf8')).toBe(before)
  })
})
