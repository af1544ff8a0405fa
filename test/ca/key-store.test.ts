import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { createMaterial } from '../../ca/authority.ts'
import {
  loadExistingAuthority,
  openAuthority,
  readCertificates,
  rotateAuthority,
} from '../../ca/key-store.ts'
import { runTool, scratchDirectory } from './external-tools.ts'

const windows = process.platform === 'win32'
const now = new Date()
const inDays = (days: number): Date => new Date(now.getTime() + days * 86_400_000)
const options = { permittedHosts: ['api.openai.com'], now }
let scratch: ReturnType<typeof scratchDirectory>
let dir = ''
beforeEach(() => {
  scratch = scratchDirectory()
  dir = join(scratch.path, 'home', 'ca')
})
afterEach(() => scratch.remove())
const file = (name: string): string => join(dir, name)
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8)
const modulePath = new URL('../../ca/key-store.ts', import.meta.url).href

function openInProcess(umask: string): ReturnType<typeof runTool> {
  const script = `
    import { openAuthority } from '${modulePath}'
    const now = new Date(${now.getTime()})
    const { authority } = await openAuthority(process.argv[1], { permittedHosts: ['x.com'], now })
    process.stdout.write(authority.fingerprint256)`
  const command = `umask ${umask}; exec "$0" --input-type=module -e "$1" "$2"`
  return runTool('sh', ['-c', command, process.execPath, script, dir])
}

describe('a stored authority', () => {
  it('is made at the first use, for a year, and loaded from then on', async () => {
    const made = await openAuthority(dir, options)
    const again = await openAuthority(dir, { permittedHosts: ['other.com'], now: inDays(364) })

    expect(again.authority.fingerprint256).toBe(made.authority.fingerprint256)
    expect(again.authority.permittedHosts).toEqual(['api.openai.com'])
    expect(made.caCertPath).toBe(file('ca.pem'))
    expect(readFileSync(made.caCertPath, 'utf8')).toBe(made.authority.certificatePem)
    expect(Math.abs(made.authority.notAfter.getTime() - inDays(365).getTime())).toBeLessThan(1000)
    expect(readdirSync(dir).sort()).toEqual(['ca.key.pem', 'ca.pem'])
    const keyPath = file('ca.key.pem')
    const own = await runTool('openssl', ['pkey', '-in', keyPath, '-pubout'])
    const certified = await runTool('openssl', [
      'x509',
      '-in',
      made.caCertPath,
      '-noout',
      '-pubkey',
    ])
    expect(own.output).toBe(certified.output)
  })

  it.skipIf(windows).each(['000', '077'])('is private under umask %s', async (umask) => {
    expect(await openInProcess(umask)).toMatchObject({ code: 0 })

    expect(modeOf(join(scratch.path, 'home'))).toBe('700')
    expect(modeOf(dir)).toBe('700')
    expect(modeOf(file('ca.key.pem'))).toBe('600')
    expect(modeOf(file('ca.pem'))).toBe('644')
  })

  it('is one when many ask for it at once in one process', async () => {
    const all = await Promise.all(Array.from({ length: 12 }, () => openAuthority(dir, options)))

    expect(new Set(all.map(({ authority }) => authority.fingerprint256)).size).toBe(1)
    expect(readFileSync(file('ca.pem'), 'utf8')).toBe(all[0]?.authority.certificatePem)
    expect(readdirSync(dir).sort()).toEqual(['ca.key.pem', 'ca.pem'])
  })

  it.skipIf(windows)('is one when several processes start at once', async () => {
    const all = await Promise.all(Array.from({ length: 4 }, () => openInProcess('022')))

    expect(all.map(({ code }) => code)).toEqual([0, 0, 0, 0])
    expect(new Set(all.map(({ output }) => output)).size).toBe(1)
  })

  it('is missing, and not made, for those who only load it', async () => {
    await expect(loadExistingAuthority(dir, now)).rejects.toMatchObject({ code: 'ERR_CA_MISSING' })
    await expect(readCertificates(dir)).rejects.toMatchObject({ code: 'ERR_CA_MISSING' })
    expect(existsSync(dir)).toBe(false)
  })

  it('gets its certificate file back when a process was killed before writing it', async () => {
    const { authority } = await openAuthority(dir, options)
    rmSync(file('ca.pem'))

    await openAuthority(dir, options)

    expect(readFileSync(file('ca.pem'), 'utf8')).toBe(authority.certificatePem)
  })

  it('works with key and certificate in files of their own', async () => {
    const material = createMaterial({ ...options, days: 30 })
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    writeFileSync(file('ca.key.pem'), material.privateKeyPem, { mode: 0o600 })
    writeFileSync(file('ca.pem'), material.certificatePem)

    const { authority } = await openAuthority(dir, options)

    expect(authority.certificatePem).toBe(material.certificatePem)
  })
})

describe('an authority that cannot be relied on', () => {
  const keyOf = (): string => readFileSync(file('ca.key.pem'), 'utf8')

  /** Damages a new store, then expects the same refusal twice and nothing made anew. */
  async function refusalAfter(damage: () => void, at = now): Promise<string> {
    await openAuthority(dir, options)
    damage()
    const before = readdirSync(dir).sort()
    const messages: string[] = []
    for (const attempt of [openAuthority, openAuthority]) {
      const outcome = await attempt(dir, { ...options, now: at }).catch((error: unknown) => error)
      expect(outcome).toMatchObject({ code: expect.stringMatching(/^ERR_CA_(?:MODE|UNUSABLE)$/u) })
      messages.push((outcome as Error).message)
    }
    expect(messages[0]).toBe(messages[1])
    expect(messages[0]).not.toContain('\n')
    expect(readdirSync(dir).sort()).toEqual(before)
    return messages[0] ?? ''
  }

  it.skipIf(windows)('is refused when others could read its key or enter its folder', async () => {
    expect(await refusalAfter(() => chmodSync(file('ca.key.pem'), 0o644))).toContain('mode 0644')
    chmodSync(file('ca.key.pem'), 0o600)
    expect(await refusalAfter(() => chmodSync(dir, 0o755))).toContain('mode 0755')
    chmodSync(dir, 0o700)
    await expect(openAuthority(dir, options)).resolves.toBeDefined()
  })

  it.skipIf(windows)('is refused behind symbolic links', async () => {
    const linked = (): void => {
      renameSync(file('ca.key.pem'), file('elsewhere'))
      symlinkSync(file('elsewhere'), file('ca.key.pem'))
    }
    expect(await refusalAfter(linked)).toContain('symbolic link')
    symlinkSync(dir, join(scratch.path, 'linked'))
    const through = openAuthority(join(scratch.path, 'linked'), options)
    await expect(through).rejects.toThrow('symbolic link')
  })

  it('is refused when its parts do not belong together', async () => {
    const foreign = createMaterial({ ...options, days: 30 })
    const replaced = (): void => writeFileSync(file('ca.pem'), foreign.certificatePem)

    expect(await refusalAfter(replaced)).toContain('ca.pem is not the certificate of ca.key.pem')
  })

  it('is refused when another key is in its place', async () => {
    const foreign = createMaterial({ ...options, days: 30 })
    const replaced = (): void => writeFileSync(file('ca.key.pem'), foreign.privateKeyPem)

    expect(await refusalAfter(replaced)).toContain('do not belong together')
  })

  it('is refused when its key is damaged, cut, empty or gone', async () => {
    expect(await refusalAfter(() => writeFileSync(file('ca.key.pem'), 'garbage'))).toContain('key')
    expect(await refusalAfterReset(() => writeFileSync(file('ca.key.pem'), ''))).toContain(
      'damaged',
    )
    const cut = (): void => writeFileSync(file('ca.key.pem'), keyOf().slice(0, 120))
    expect(await refusalAfterReset(cut)).toContain('damaged')
    expect(await refusalAfterReset(() => rmSync(file('ca.key.pem')))).toContain('missing')
  })

  it('is refused when its certificate is damaged', async () => {
    const damaged = (): void => writeFileSync(file('ca.pem'), 'garbage')

    expect(await refusalAfter(damaged)).toContain('damaged')
  })

  it('is refused once it has expired, and while the clock is before its beginning', async () => {
    expect(await refusalAfter(() => undefined, inDays(366))).toContain('expired on')
    expect(await refusalAfter(() => undefined, inDays(-365))).toContain('clock')
  })

  function refusalAfterReset(damage: () => void): Promise<string> {
    rmSync(dir, { recursive: true })
    return refusalAfter(damage)
  }
})

describe('rotation', () => {
  it('replaces the authority and keeps the old certificate, without its key', async () => {
    const before = await openAuthority(dir, options)
    const permittedHosts = ['api.openai.com', 'llm.example.com']

    const after = await rotateAuthority(dir, { permittedHosts, now })

    expect(after.authority.permits('llm.example.com')).toBe(true)
    expect(after.authority.fingerprint256).not.toBe(before.authority.fingerprint256)
    const loaded = await loadExistingAuthority(dir, now)
    expect(loaded.authority.fingerprint256).toBe(after.authority.fingerprint256)
    expect(readFileSync(file('ca.pem'), 'utf8')).toBe(after.authority.certificatePem)
    expect(readFileSync(file('ca.old.pem'), 'utf8')).toBe(before.authority.certificatePem)
  })

  it('remembers every rotated certificate until it expires, newest first', async () => {
    const first = await openAuthority(dir, options)
    const second = await rotateAuthority(dir, options)
    await rotateAuthority(dir, { ...options, now: inDays(10) })

    const subjects = (await readCertificates(dir)).old.map(({ subject }) => subject)
    expect(subjects).toEqual([second.authority.subject, first.authority.subject])

    await rotateAuthority(dir, { ...options, now: inDays(370) })
    expect((await readCertificates(dir)).old).toHaveLength(1)
  })

  it('makes the first authority where there is none', async () => {
    const { authority } = await rotateAuthority(dir, options)

    expect((await openAuthority(dir, options)).authority.subject).toBe(authority.subject)
    expect(existsSync(file('ca.old.pem'))).toBe(false)
  })

  it.skipIf(windows)('is the way out of an open, damaged or expired store', async () => {
    await openAuthority(dir, options)
    chmodSync(dir, 0o755)
    chmodSync(file('ca.key.pem'), 0o644)
    writeFileSync(file('ca.pem'), 'garbage')

    const { authority } = await rotateAuthority(dir, { ...options, now: inDays(400) })

    const opened = await openAuthority(dir, { ...options, now: inDays(400) })
    expect(opened.authority.subject).toBe(authority.subject)
    expect(modeOf(dir)).toBe('700')
    expect(modeOf(file('ca.key.pem'))).toBe('600')
  })

  it('is finished by the next start when a process was killed in the middle', async () => {
    const before = await openAuthority(dir, options)
    const { authority } = await rotateAuthority(dir, options)
    writeFileSync(file('ca.pem'), before.authority.certificatePem)

    const opened = await openAuthority(dir, options)

    expect(opened.authority.subject).toBe(authority.subject)
    expect(readFileSync(file('ca.pem'), 'utf8')).toBe(authority.certificatePem)
  })

  it('leaves one whole authority when several rotate at once', async () => {
    await openAuthority(dir, options)

    await Promise.all(Array.from({ length: 5 }, () => rotateAuthority(dir, options)))

    const { authority } = await loadExistingAuthority(dir, now)
    expect(readFileSync(file('ca.pem'), 'utf8')).toBe(authority.certificatePem)
  })

  it('changes nothing when a host is no host', async () => {
    const before = await openAuthority(dir, options)

    const rotated = rotateAuthority(dir, { permittedHosts: ['*'], now })

    await expect(rotated).rejects.toMatchObject({ code: 'ERR_HOST_PATTERN' })
    const { authority } = await loadExistingAuthority(dir, now)
    expect(authority.subject).toBe(before.authority.subject)
  })
})
