/**
 * The other commands, and what the command line says to input that it cannot use: one line that
 * names the problem and the next step, the right exit code, never a stack trace.
 */
import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import forge from 'node-forge'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { projectFolder, runCli, startCli } from '../support/cli.ts'
import { expectWellFormed, linesOf, messagesOf, only } from '../support/live-lines.ts'

let folder = ''
const place = (...names: string[]): string => join(folder, ...names)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-commands-'))
  await writeFile(place('file'), '')
  await writeFile(place('no-json'), '{"listen": ')
  await writeFile(place('unknown-key'), '{"alow": ["api.openai.com"]}')
  await writeFile(place('wrong-type'), '{"listen": 8080}')
  await writeFile(place('no-secret'), credentialConfig('NOT_SET_ANYWHERE'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

function credentialConfig(variable: string): string {
  const row = {
    host: 'api.openai.com',
    header: 'Authorization',
    env: variable,
    format: 'Bearer {}',
  }
  return JSON.stringify({ credentials: [row] })
}

/** `{name}` in the words stands for a path in the test's folder. */
const badInputs: ReadonlyArray<
  readonly [title: string, words: string, code: number, says: RegExp]
> = [
  ['no command', '', 2, /no command given; see porthole --help/u],
  ['an unknown command', 'strat', 2, /'strat'; Did you mean start\?/u],
  ['help for no command', 'help strat', 2, /unknown command 'strat'; see porthole --help/u],
  ['a subcommand of nothing', 'rules', 2, /no command given; see porthole rules --help/u],
  ['what lacks something', 'rules add', 2, /'action'; see porthole rules add --help/u],
  ['an unknown option', 'start --alow x', 2, /'--alow'; Did you mean --allow\?/u],
  ['run without a program', 'run', 2, /missing required argument 'command'/u],
  ['a port that is none', 'start --listen 127.0.0.1:99999', 2, /bad port; write it as /u],
  ['a host that is none', 'run --allow ex*mple -- true', 2, /not a host pattern: .*ex\*mple/u],
  ['an unknown preset', 'run --allow-preset opnai -- true', 2, /did you mean openai\?/u],
  ['a configuration that is not there', 'start --config {nowhere}', 2, /no such file/u],
  ['a configuration that is no JSON', 'start --config {no-json}', 2, /cannot read the config/u],
  ['an unknown key', 'start --config {unknown-key}', 2, /unknown key alow; did you mean allow\?/u],
  ['a key of the wrong type', 'start --config {wrong-type}', 2, /listen: .*expected string/u],
  ['a secret that is not set', 'start --config {no-secret}', 2, /NOT_SET_ANYWHERE/u],
  [
    'roots that are not there',
    'start --upstream-ca {nowhere}',
    69,
    /cannot use .+ as upstream ro/u,
  ],
  ['a home that cannot be made', 'start --home {file}/home', 69, /cannot write/u],
  ['a capture that cannot be made', 'run --capture {file}/x -- true', 69, /cannot write the capt/u],
  ['a ready file that cannot be made', 'run --ready-file {file}/x -- true', 69, /cannot write to/u],
  [
    'a capture that is not there',
    'replay {nowhere}',
    1,
    /cannot read the capture .+: no such file/u,
  ],
  ['a speed that is none', 'replay --speed 3 {file}', 2, /Allowed choices are 1, 10, max/u],
  ['a viewer without a terminal', 'view', 2, /the viewer needs a terminal; use porthole replay/u],
  [
    'a CA that is not there',
    'ca show --home {nowhere}',
    1,
    /no certificate authority .+ yet; start/u,
  ],
  ['an unknown form', 'ca export --format pkcs8', 2, /Allowed choices are pem, der, p12/u],
  ['an installation that cannot ask', 'ca install', 2, /porthole ca install --yes/u],
]

describe('told in one line, without a stack trace:', () => {
  test.each(badInputs)('%s', async (_title, words, code, says) => {
    const args = words
      .split(' ')
      .filter((word) => word !== '')
      .map((word) => word.replace('{folder}', folder).replace(/\{([\w-]+)\}/u, place('$1')))

    const { exitCode, out, err } = await runCli(args)

    expect(err).toMatch(/^porthole: [^\n]+; [^\n]+\n$/u)
    expect(err).toMatch(says)
    expect(out).toBe('')
    expect(exitCode).toBe(code)
  })

  test('a port that is taken, and the way out works', async () => {
    const server = net.createServer()
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    const { port } = server.address() as AddressInfo

    const { exitCode, err } = await runCli(['start', '--listen', `127.0.0.1:${port}`])
    server.close()

    expect(err).toMatch(new RegExp(`^porthole: 127.0.0.1:${port} is in use .*--listen .*\n$`, 'u'))
    expect(exitCode).toBe(69)
  })

  test('an environment that switches the check of certificates off', async () => {
    const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0' }

    const { exitCode, err } = await runCli(['run', '--', 'true'], { env })

    expect(err).toContain('porthole: NODE_TLS_REJECT_UNAUTHORIZED=0 would switch off the check')
    expect(exitCode).toBe(69)
  })

  test('a switch in the environment that is neither on nor off', async () => {
    const { exitCode, err } = await runCli(['run', '--', 'true'], {
      env: { PORTHOLE_JSON: 'maybe' },
    })

    expect(err).toBe('porthole: PORTHOLE_JSON is "maybe"; set it to 1 or 0\n')
    expect(exitCode).toBe(2)
  })
})

test('every command has help with an example, on stdout', async () => {
  const commands = ['', 'run', 'start', 'view', 'replay', 'ca', 'ca export', 'ca rotate', 'demo']
  for (const command of commands) {
    const { exitCode, out, err } = await runCli([...command.split(' ').filter(Boolean), '--help'])

    expect(out, command).toMatch(/^Usage: porthole/u)
    expect(out, command).toMatch(/Examples?:\n {2}(?:\$ )?porthole /u)
    expect(err).toBe('')
    expect(exitCode).toBe(0)
  }
})

test('the version is that of the package', async () => {
  const { version } = JSON.parse(await readFile(join(projectFolder, 'package.json'), 'utf8')) as {
    version: string
  }

  expect(await runCli(['--version'])).toMatchObject({ exitCode: 0, out: `${version}\n`, err: '' })
})

test('settings come from the environment too, below the flags', async () => {
  const env = { LISTEN_ADDR: '127.0.0.1:1', ALLOWLIST_HOSTS: 'llm.example.com, *.example.net' }
  await using cli = startCli(['start', '--listen', '127.0.0.1:0'], { env })

  const text = await cli.waitForText('err', 'recording to')
  cli.kill('SIGTERM')

  expect(text).toContain('decrypting llm.example.com, *.example.net\n')
  expect((await cli.ended).exitCode).toBe(0)
})

describe('the demo', () => {
  /** A home as it is on a new machine: empty, and not named by a variable. */
  async function emptyHome(): Promise<{ home: string; env: Record<string, string | undefined> }> {
    const home = await mkdtemp(place('home-'))
    return { home, env: { HOME: home, PORTHOLE_HOME: undefined } }
  }

  test('shows each call in a line, and what it came to, in a home that is empty', async () => {
    const { home, env } = await emptyHome()

    const { exitCode, out, err } = await runCli(['demo'], { env })

    expect(exitCode).toBe(0)
    const lines = linesOf(out)
    const calls = lines.filter((line) => /^\d\d:\d\d:\d\d (?:openai|anthropic) /u.test(line))
    expect(calls.map((line) => line.split(' ').slice(1, 3).join(' '))).toEqual([
      'openai chat',
      'openai responses',
      'openai embeddings',
      'openai chat',
      'anthropic messages',
    ])
    expect(lines.filter((line) => !calls.includes(line)).every(isAppLine)).toBe(true)
    expect(out).toContain('  app │   10 + 5 equals 15.')
    expect(err).toMatch(/^porthole: 5 model calls, 1 failed, \$0\.00\d+\n/u)
    const [capture = ''] = /\/\S+\.jsonl/u.exec(err) ?? []
    expect(capture.startsWith(home)).toBe(true)
    expect(existsSync(capture)).toBe(true)
    const again = await runCli(['replay', capture], { env })
    expect(linesOf(again.out)).toEqual(calls)
  })

  test('tells every message with --json, and no key, and leaves the machine for nothing', async () => {
    const { home, env } = await emptyHome()
    // A proxy that is not there: whoever used it, to leave the machine, would fail.
    const nowhere = { HTTPS_PROXY: 'http://127.0.0.1:1', https_proxy: 'http://127.0.0.1:1' }

    const { exitCode, out, err } = await runCli(['demo', '--json', '--capture', 'none'], {
      env: { ...env, ...nowhere },
      cwd: home,
    })

    expect(exitCode).toBe(0)
    const messages = messagesOf(linesOf(out))
    expectWellFormed(messages)
    expect(only('model-answered', messages)).toHaveLength(5)
    expect(out + err).not.toContain('not-a-real-key')
  })
})

function isAppLine(line: string): boolean {
  return line.startsWith('  app │ ')
}

describe('the certificate authority', () => {
  let home = ''
  beforeAll(async () => {
    home = place('ca-home')
    const { exitCode } = await runCli(['ca', 'rotate', '--permit', 'llm.example.com'], { home })
    expect(exitCode).toBe(0)
  })

  test('is shown: name, fingerprint, validity, and what it can vouch for', async () => {
    const { out, err, exitCode } = await runCli(['ca', 'show'], { home })
    const exported = new X509Certificate((await runCli(['ca', 'export'], { home })).stdout)

    expect(exitCode).toBe(0)
    expect(err).toBe('')
    expect(out).toContain(exported.fingerprint256)
    expect(out).toContain('llm.example.com')
    expect(out).toContain('api.openai.com')
    const path = /^certificate +(?<path>.+)$/mu.exec(out)?.groups?.['path'] ?? ''
    expect(new X509Certificate(await readFile(path)).fingerprint256).toBe(exported.fingerprint256)
  })

  test('is exported as PEM, DER and PKCS #12, and never its key', async () => {
    const pem = await runCli(['ca', 'export'], { home })
    const der = await runCli(['ca', 'export', '--format', 'der'], { home })
    const target = place('ca.p12')
    const p12 = await runCli(
      ['ca', 'export', '--format', 'p12', '--out', target, '--passphrase', 'pass phrase'],
      { home },
    )
    const opened = forge.pkcs12.pkcs12FromAsn1(
      forge.asn1.fromDer((await readFile(target)).toString('binary')),
      'pass phrase',
    )

    const certificate = new X509Certificate(pem.stdout)
    expect(certificate.ca).toBe(true)
    expect(pem.out).toMatch(/^-----BEGIN CERTIFICATE-----\n[\w+/=\n]+-----END CERTIFICATE-----\n$/u)
    expect(certificate.raw.equals(der.stdout)).toBe(true)
    expect(p12.out).toBe('')
    const bags = opened.safeContents.flatMap(({ safeBags }) => safeBags)
    expect(bags.map(({ type }) => type)).toEqual([forge.pki.oids['certBag']])
    const [bag] = bags
    const stored = bag?.cert == null ? bag?.asn1 : forge.pki.certificateToAsn1(bag.cert)
    const bytes = Buffer.from(
      forge.asn1.toDer(stored ?? forge.asn1.fromDer('')).getBytes(),
      'binary',
    )
    expect(new X509Certificate(bytes).fingerprint256).toBe(certificate.fingerprint256)
  })

  test('cannot be written where nobody may write', async () => {
    await mkdir(place('taken'))

    const { exitCode, err } = await runCli(['ca', 'export', '--out', place('taken')], { home })

    expect(err).toMatch(
      /^porthole: cannot write .+taken: .+; name another file with --out FILE\n$/u,
    )
    expect(exitCode).toBe(1)
  })
})
