import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, describe, expect, it } from 'vitest'

import type { TrustScript } from '../../ca/trust.ts'
import { pickTrustScripts, readTrust, runTrust } from '../../ca/trust.ts'
import { scratchDirectory } from './external-tools.ts'

const scratch = scratchDirectory()
afterAll(() => scratch.remove())
const log = join(scratch.path, 'log')

/** A stand-in that notes its arguments and answers as told. */
function script(name: string, body: string, required = false): TrustScript {
  const path = join(scratch.path, name)
  writeFileSync(path, `echo "${name} $*" >>"$TEST_LOG"\n${body}\n`)
  return { store: 'system', name, path, required }
}

function run(scripts: readonly TrustScript[]): Parameters<typeof runTrust>[1] & { text(): string } {
  writeFileSync(log, '')
  let written = ''
  return {
    scripts,
    caPaths: ['/tmp/a.pem'],
    env: { PATH: process.env['PATH'], TEST_LOG: log },
    write(text) {
      written += text
    },
    text: () => written,
  }
}
const logged = (): string[] => readFileSync(log, 'utf8').trim().split('\n')

describe('pickTrustScripts', () => {
  it.each([
    ['linux', 'all', ['linux.sh', 'nss.sh', 'java.sh']],
    ['darwin', 'all', ['macos.sh', 'nss.sh', 'java.sh']],
    ['win32', 'all', ['windows.ps1']],
    ['freebsd', 'all', ['nss.sh', 'java.sh']],
    ['linux', 'system', ['linux.sh']],
    ['darwin', 'java', ['java.sh']],
  ] as const)('on %s for %s picks %j, which are shipped', (platform, store, names) => {
    const scripts = pickTrustScripts({ platform, store })

    expect(scripts.map(({ name }) => name)).toEqual(names)
    expect(scripts.every(({ path }) => existsSync(path))).toBe(true)
    expect(scripts.every(({ required }) => required === (store !== 'all'))).toBe(true)
  })

  it.each([
    ['freebsd', 'system'],
    ['win32', 'nss'],
  ] as const)('says that %s has no script for %s', (platform, store) => {
    expect(() => pickTrustScripts({ platform, store })).toThrow(
      expect.objectContaining({ code: 'ERR_TRUST_UNSUPPORTED' }),
    )
  })
})

describe('runTrust', () => {
  it('shows everything first, asks once, then does it', async () => {
    const given = run([script('one.sh', 'echo "did $*"'), script('two.sh', '')])
    const asked: string[][] = []
    const confirm = (): Promise<boolean> => {
      asked.push(logged())
      return Promise.resolve(true)
    }

    expect(await runTrust('install', { ...given, machine: true, confirm })).toBe('done')

    const shown = [
      'one.sh install --ca /tmp/a.pem --dry-run --machine',
      'two.sh install --ca /tmp/a.pem --dry-run --machine',
    ]
    expect(asked).toEqual([shown])
    const real = shown.map((line) => line.replace(' --dry-run', ''))
    expect(logged()).toEqual([...shown, ...real])
    expect(given.text()).toContain('did install --ca /tmp/a.pem --machine')
  })

  it('changes nothing in a dry run, or when the answer is no', async () => {
    const given = run([script('one.sh', '')])

    expect(await runTrust('uninstall', { ...given, dryRun: true })).toBe('shown')
    const confirm = (): Promise<boolean> => Promise.resolve(false)
    expect(await runTrust('uninstall', { ...given, confirm })).toBe('declined')

    expect(logged()).toHaveLength(2)
    expect(logged().every((line) => line.includes('--dry-run'))).toBe(true)
  })

  it('passes over stores that are not here, unless one of them was asked for', async () => {
    const absent = script('absent.sh', 'exit 4')
    const present = script('present.sh', '')

    expect(await runTrust('install', run([absent, present]))).toBe('done')
    const failure = { code: 'ERR_TRUST_SCRIPT', details: { script: 'absent.sh', code: 4 } }
    const wanted = run([{ ...absent, required: true }])
    await expect(runTrust('install', wanted)).rejects.toMatchObject(failure)
    await expect(runTrust('install', run([absent]))).rejects.toMatchObject(failure)
  })

  it('stops at the first script that fails, with its output shown', async () => {
    const given = run([script('bad.sh', 'echo broken >&2; exit 3'), script('next.sh', '')])

    await expect(runTrust('install', given)).rejects.toMatchObject({
      code: 'ERR_TRUST_SCRIPT',
      message: 'the trust-store script bad.sh failed with exit code 3',
    })

    expect(given.text()).toContain('broken')
    expect(logged().some((line) => line.startsWith('next.sh'))).toBe(false)
  })

  it('reports a shell that cannot be started', async () => {
    const given = { ...run([script('one.sh', '')]), env: { PATH: scratch.path, TEST_LOG: log } }

    await expect(runTrust('install', given)).rejects.toMatchObject({ code: 'ERR_TRUST_SCRIPT' })
  })
})

describe('readTrust', () => {
  it('collects what the scripts say of each store, and why one was skipped', async () => {
    const body = 'echo "trusted: /a: b"; echo "not trusted: /c"; echo noise'
    const scripts = [
      script('states.sh', body),
      script('skips.sh', 'echo "skipped: no tool"; exit 4'),
      script('fails.sh', 'echo oops >&2; exit 1'),
    ]

    const states = await readTrust({ ...run(scripts), caPath: '/tmp/a.pem' })

    expect(states).toEqual([
      { store: 'system', state: 'trusted', where: '/a: b' },
      { store: 'system', state: 'not trusted', where: '/c' },
      { store: 'system', state: 'skipped', where: 'no tool' },
      { store: 'system', state: 'skipped', where: 'oops' },
    ])
    expect(logged()[0]).toBe('states.sh status --ca /tmp/a.pem')
  })
})
