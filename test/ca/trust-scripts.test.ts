// The shipped scripts against scratch stores only: nothing here may reach a store of this machine.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { createMaterial } from '../../ca/authority.ts'
import type { ToolResult } from './external-tools.ts'
import { hasTool, runTool, scratchDirectory } from './external-tools.ts'

const folder = fileURLToPath(new URL('../../ca/trust/', import.meta.url))
const scratch = scratchDirectory()
afterAll(() => scratch.remove())
const at = (...names: string[]): string => join(scratch.path, ...names)
const material = createMaterial({ permittedHosts: ['x.com'], now: new Date(), days: 30 })
const ours = at("our ca's.pem")
const foreign = at('foreign.pem')

beforeAll(async () => {
  writeFileSync(ours, material.certificatePem)
  const named = ['x509', '-in', ours, '-noout', '-subject', '-nameopt', 'compat']
  const subject = (await runTool('openssl', named)).output.trim().replace(/^subject=\s*/u, '')
  const parts = subject.replaceAll(/\s*=\s*/gu, '=').split(/,\s*/u)
  const name = subject.startsWith('/') ? subject : `/${parts.join('/')}`
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const files = ['-keyout', at('foreign.key'), '-out', foreign]
  const made = await runTool('openssl', ['req', '-x509', ...key, '-subj', name, ...files])
  if (made.code !== 0) throw new Error(made.output)
})

type Run = (args: string, ca?: string) => Promise<ToolResult>

function runner(script: string, env: NodeJS.ProcessEnv): Run {
  return (args, ca = ours) =>
    runTool('sh', [join(folder, script), ...args.split(' '), '--ca', ca], { LC_ALL: 'C', ...env })
}

/** The life of a certificate in a store that holds a foreign one of the same name. */
async function expectWholeLife(run: Run, names: readonly string[]): Promise<void> {
  const states = async (ca: string): Promise<string[]> =>
    (await run('status', ca)).output.trim().split('\n')
  const all = (state: string): string[] => names.map((name) => `${state}: ${name}`)

  expect(await states(ours)).toEqual(all('not trusted'))
  expect(await states(foreign)).toEqual(all('trusted'))
  const dry = await run('install --dry-run')
  expect(dry).toMatchObject({ code: 0, output: expect.stringContaining('would run: ') })
  expect(await states(ours)).toEqual(all('not trusted'))

  expect(await run('install')).toMatchObject({ code: 0 })
  expect(await states(ours)).toEqual(all('trusted'))
  const again = await run('install')
  expect(again.code).toBe(0)
  for (const name of names) expect(again.output).toContain(`already trusted: ${name}`)
  expect(again.output).not.toContain('running:')

  expect(await run('uninstall --dry-run')).toMatchObject({ code: 0 })
  expect(await states(ours)).toEqual(all('trusted'))
  expect(await run('uninstall')).toMatchObject({ code: 0 })
  expect(await states(ours)).toEqual(all('not trusted'))
  expect(await states(foreign)).toEqual(all('trusted'))
  const gone = await run('uninstall')
  expect(gone).toMatchObject({ code: 0, output: expect.stringContaining('not there: ') })
  expect(await states(foreign)).toEqual(all('trusted'))
}

const skipped = (tool: string): string => (hasTool(tool) ? '' : ` (skipped: no ${tool} here)`)

describe('linux.sh', () => {
  const root = at('root dir')
  const anchors = join(root, 'usr/local/share/ca-certificates')
  const bundle = join(root, 'etc/ssl/certs/ca-certificates.crt')
  const run = runner('linux.sh', { PORTHOLE_TRUST_ROOT: root, PORTHOLE_TRUST_FAMILY: 'debian' })

  beforeEach(() => {
    rmSync(root, { recursive: true, force: true })
    for (const path of [anchors, join(root, 'etc/ssl/certs'), join(root, 'usr/share')]) {
      mkdirSync(path, { recursive: true })
    }
    mkdirSync(join(root, 'etc/ca-certificates/update.d'), { recursive: true })
    writeFileSync(join(root, 'etc/ca-certificates.conf'), '# none\n')
    writeFileSync(join(anchors, 'porthole.crt'), readFileSync(foreign))
  })

  /** Debian's own tool does not quote its folders, so it gets names without spaces. */
  const plainRoot = at('debian')
  const plain = runner('linux.sh', {
    PORTHOLE_TRUST_ROOT: plainRoot,
    PORTHOLE_TRUST_FAMILY: 'debian',
  })

  it.skipIf(!hasTool('update-ca-certificates'))(
    `installs and removes our certificate alone on Debian${skipped('update-ca-certificates')}`,
    async () => {
      const plainAnchors = join(plainRoot, 'usr/local/share/ca-certificates')
      mkdirSync(plainAnchors, { recursive: true })
      mkdirSync(join(plainRoot, 'etc/ssl/certs'), { recursive: true })
      mkdirSync(join(plainRoot, 'usr/share/ca-certificates'), { recursive: true })
      mkdirSync(join(plainRoot, 'etc/ca-certificates/update.d'), { recursive: true })
      writeFileSync(join(plainRoot, 'etc/ca-certificates.conf'), '# none\n')
      writeFileSync(join(plainAnchors, 'porthole.crt'), readFileSync(foreign))
      await plain('install', foreign)

      await expectWholeLife(plain, [join(plainRoot, 'etc/ssl/certs/ca-certificates.crt')])

      expect(readdirSync(plainAnchors)).toEqual(['porthole.crt'])
      // The last certificate of all is removed too.
      expect(await plain('uninstall', foreign)).toMatchObject({ code: 0 })
      expect((await plain('status', foreign)).output).toMatch(/^not trusted: /u)
    },
  )

  const families = [
    ['rhel', 'etc/pki/ca-trust/source/anchors', 'update-ca-trust'],
    ['arch', 'etc/ca-certificates/trust-source/anchors', 'update-ca-trust'],
    ['suse', 'etc/pki/trust/anchors', 'update-ca-certificates'],
    ['alpine', 'usr/local/share/ca-certificates', 'update-ca-certificates'],
  ] as const
  const bundles = {
    rhel: 'etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
    arch: 'etc/ca-certificates/extracted/tls-ca-bundle.pem',
    suse: 'etc/ssl/ca-bundle.pem',
    alpine: 'etc/ssl/certs/ca-certificates.crt',
  } as const

  it.each(families)('works with the tools of %s', async (family, place, tool) => {
    // A stand-in for the distribution's tool: concatenates the anchors, as the real ones do.
    const bin = at(`bin-${family}`)
    mkdirSync(bin, { recursive: true })
    mkdirSync(join(root, place), { recursive: true })
    const target = join(root, bundles[family])
    mkdirSync(join(target, '..'), { recursive: true })
    writeFileSync(join(root, place, 'other.pem'), readFileSync(foreign))
    const body = `#!/bin/sh\nset -eu\ncat '${join(root, place)}'/* >'${target}'\n`
    writeFileSync(join(bin, tool), body, { mode: 0o755 })
    const family_ = runner('linux.sh', {
      PORTHOLE_TRUST_ROOT: root,
      PORTHOLE_TRUST_FAMILY: family,
      PATH: `${bin}:${process.env['PATH']}`,
    })
    await family_('install', foreign)

    await expectWholeLife(family_, [target])

    expect(readdirSync(join(root, place))).toContain('other.pem')
  })

  it('leaves a file alone that holds other certificates beside ours', async () => {
    rmSync(join(anchors, 'porthole.crt'))
    const both = join(anchors, 'both.crt')
    writeFileSync(both, readFileSync(foreign, 'utf8') + material.certificatePem)

    const result = await run('uninstall')

    expect(result.output).toContain(`left alone: ${both}`)
    expect(readdirSync(anchors)).toEqual(['both.crt'])
  })

  it('says when the file is there but the bundle was not rebuilt', async () => {
    writeFileSync(join(anchors, 'porthole-x.crt'), material.certificatePem)
    writeFileSync(bundle, readFileSync(foreign))

    expect((await run('status')).output).toContain('has not run')
  })

  it('skips NixOS and systems without a known tool', async () => {
    for (const family of ['nixos', 'unknown']) {
      const other = runner('linux.sh', {
        PORTHOLE_TRUST_ROOT: root,
        PORTHOLE_TRUST_FAMILY: family,
      })
      expect(await other('install')).toMatchObject({
        code: 4,
        output: expect.stringContaining('skipped: '),
      })
    }
  })
})

describe('nss.sh', () => {
  const databases = [at('nss'), at('nss with space')]
  const run = runner('nss.sh', { PORTHOLE_NSS_DIRS: databases.join('\n') })

  it.skipIf(!hasTool('certutil'))(
    `installs and removes our certificate alone${skipped('certutil')}`,
    async () => {
      for (const database of databases) {
        mkdirSync(database)
        const sql = ['-d', `sql:${database}`]
        await runTool('certutil', ['-N', '--empty-password', ...sql])
        const added = ['-A', '-n', 'Porthole CA', '-t', 'C,,', '-i', foreign]
        await runTool('certutil', [...added, ...sql])
      }

      await expectWholeLife(run, databases)

      const untrusted = ['-A', '-n', 'plain', '-t', ',,', '-i', ours]
      await runTool('certutil', [...untrusted, '-d', `sql:${databases[0]}`])
      expect((await run('status')).output).toContain('without trust')
      expect(await run('install')).toMatchObject({ code: 0 })
      expect((await run('status')).output).not.toContain('not trusted')
    },
  )

  it('finds nothing to do where there is no browser', async () => {
    const none = runner('nss.sh', { HOME: at('empty home') })

    expect(await none('install')).toMatchObject({
      code: 4,
      output: expect.stringContaining('skipped: '),
    })
  })
})

describe('java.sh', () => {
  const keystore = at('java store')
  const env = { PORTHOLE_JAVA_KEYSTORE: keystore, PORTHOLE_JAVA_STOREPASS: "it's secret" }
  const run = runner('java.sh', env)

  it.skipIf(!hasTool('keytool'))(
    `installs and removes our certificate alone${skipped('keytool')}`,
    async () => {
      const store = ['-keystore', keystore, '-storepass', env.PORTHOLE_JAVA_STOREPASS]
      const entry = ['-importcert', '-noprompt', '-alias', 'porthole', '-file', foreign]
      expect(await runTool('keytool', [...entry, ...store])).toMatchObject({ code: 0 })

      await expectWholeLife(run, [keystore])

      const list = await runTool('keytool', ['-J-Duser.language=en', '-list', ...store])
      expect(list.output).toContain('contains 1 entry')
    },
  )

  it.skipIf(!hasTool('keytool'))('fails on a wrong password, without showing it', async () => {
    const wrong = runner('java.sh', { ...env, PORTHOLE_JAVA_STOREPASS: 'not-the-one' })

    const result = await wrong('uninstall')

    expect(result.code).not.toBe(0)
    expect(result.output).not.toContain('not-the-one')
  })
})

describe('macos.sh', () => {
  const bin = at('mac-bin')
  const keychain = at('login.keychain-db')
  const log = at('security.log')
  const env = { PORTHOLE_KEYCHAIN: keychain, PATH: `${bin}:${process.env['PATH']}` }
  const run = runner('macos.sh', { ...env, SECURITY_LOG: log, KEYCHAIN: keychain })

  beforeAll(() => {
    // A stand-in for the tool "security" whose keychain is a list of SHA-1 hashes.
    const body = `#!/bin/sh
case $1 in
  find-certificate) sed 's/^/SHA-1 hash: /' "$KEYCHAIN" ;;
  verify-cert) grep -q "$(openssl x509 -in "$3" -noout -fingerprint -sha1 | sed 's/.*=//; s/://g')" "$KEYCHAIN" ;;
  add-trusted-cert)
    printf '%s\\n' "$*" >>"$SECURITY_LOG"
    for file; do :; done
    openssl x509 -in "$file" -noout -fingerprint -sha1 | sed 's/.*=//; s/://g' >>"$KEYCHAIN" ;;
  delete-certificate)
    printf '%s\\n' "$*" >>"$SECURITY_LOG"
    grep -v "$3" "$KEYCHAIN" >"$KEYCHAIN.new"
    mv "$KEYCHAIN.new" "$KEYCHAIN" ;;
  *) printf '%s\\n' "$*" >>"$SECURITY_LOG" ;;
esac
`
    mkdirSync(bin)
    writeFileSync(join(bin, 'security'), body, { mode: 0o755 })
    writeFileSync(keychain, '')
  })

  it('installs and removes our certificate alone, addressed by its hash', async () => {
    await run('install', foreign)

    await expectWholeLife(run, [keychain])

    const commands = readFileSync(log, 'utf8').trim().split('\n')
    expect(commands).toContain(`add-trusted-cert -r trustRoot -p ssl -k ${keychain} ${ours}`)
    expect(commands.at(-2)).toBe(`remove-trusted-cert ${ours}`)
    expect(commands.at(-1)).toMatch(/^delete-certificate -Z [0-9A-F]{40} /u)
  })
})

const scripts = readdirSync(folder).filter((name) => name.endsWith('.sh'))

describe('every POSIX script', () => {
  it.each(scripts)('%s is valid, and strict about errors', async (name) => {
    const path = join(folder, name)

    expect(await runTool('sh', ['-n', path])).toEqual({ code: 0, output: '' })
    const isEntry = name !== 'prelude.sh'
    if (isEntry) expect(readFileSync(path, 'utf8')).toMatch(/^#!\/bin\/sh\n[^]*\nset -eu\n/u)
  })

  it.skipIf(!hasTool('shellcheck'))(`satisfies shellcheck${skipped('shellcheck')}`, async () => {
    const paths = scripts.map((name) => join(folder, name))

    expect(await runTool('shellcheck', ['-x', ...paths])).toEqual({ code: 0, output: '' })
  })

  const entries = scripts.filter((name) => name !== 'prelude.sh')
  it.each(entries)(
    '%s refuses bad arguments and files that are no CA certificate',
    async (name) => {
      const bad = at(`bad-${basename(name)}.pem`)
      const call = (...args: string[]): ReturnType<typeof runTool> =>
        runTool('sh', [join(folder, name), ...args], { PORTHOLE_TRUST_ROOT: at('nowhere') })

      expect(await call()).toMatchObject({ code: 2 })
      expect(await call('install')).toMatchObject({ code: 2 })
      expect(await call('install', '--ca')).toMatchObject({ code: 2 })
      expect(await call('remove', '--ca', ours)).toMatchObject({ code: 2 })
      expect(await call('--help')).toMatchObject({ code: 0 })
      expect(await call('install', '--ca', at('missing'))).toMatchObject({ code: 1 })
      for (const [text, reason] of [
        [material.privateKeyPem + material.certificatePem, 'private key'],
        [material.certificatePem.repeat(2), 'more than one'],
        ['nothing', 'no certificate'],
      ] as const) {
        writeFileSync(bad, text)
        const result = await call('install', '--ca', bad)
        expect(result).toMatchObject({ code: 1, output: expect.stringContaining(reason) })
      }
    },
  )
})
