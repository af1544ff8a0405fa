/**
 * `porthole run` around a program: its input, output, exit code and signals are its own; the proxy
 * is for it alone, and nothing is left of it at the end.
 */
import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { runCli, startCli, waitForReady } from '../support/cli.ts'
import { noise } from '../support/client-programs.ts'
import { expectWellFormed, linesOf, messagesOf, only } from '../support/live-lines.ts'
import { exchangeRaw } from '../support/proxied-client.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-run-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** A program in JavaScript, as the command after `--`. */
function node(script: string): string[] {
  return ['--', process.execPath, '-e', script]
}

const headEnd = (text: string): boolean => text.includes('\r\n\r\n')

describe('the exit code of a run', () => {
  test.each([
    ['0', 'process.exit(0)', 0],
    ['7', 'process.exit(7)', 7],
    ['143 when a SIGTERM ends it', 'process.kill(process.pid, "SIGTERM")', 143],
    ['137 when a SIGKILL ends it', 'process.kill(process.pid, "SIGKILL")', 137],
  ])("is the program's: %s", async (_name, script, exitCode) => {
    const { exitCode: seen, out, err } = await runCli(['run', ...node(script)])

    expect(seen).toBe(exitCode)
    expect(out).toBe('')
    expect(err).toContain('porthole: no model calls seen')
  })

  test('is 127 where there is no such program, and 126 where it cannot be started', async () => {
    await writeFile(join(folder, 'plain'), 'not a program', { mode: 0o644 })

    const missing = await runCli(['run', '--', 'no-such-program-anywhere'])
    const plain = await runCli(['run', '--', join(folder, 'plain')])

    expect(missing.exitCode).toBe(127)
    expect(missing.err).toMatch(/^porthole: cannot start no-such-program-anywhere: .+\n$/u)
    expect(plain.exitCode).toBe(126)
    expect(plain.err).toMatch(/^porthole: cannot start .+plain: .+\n$/u)
  })
})

describe('a signal to porthole', () => {
  test('reaches the program, which ends both', async () => {
    await using cli = startCli(['run', ...node('setInterval(() => {}, 1e6); console.log("up")')])
    await cli.waitForText('out', 'up')

    cli.kill('SIGTERM')
    const { exitCode, err } = await cli.ended

    expect(exitCode).toBe(143)
    expect(err).toContain('no model calls seen')
  })

  test('leaves it to the program when to go', async () => {
    const script =
      'process.on("SIGINT", () => { console.log("asked"); process.stdin.resume() });' +
      'process.stdin.once("data", () => process.exit(5)); console.log("up")'
    await using cli = startCli(['run', ...node(script)], { keepsStdin: true })
    await cli.waitForText('out', 'up')

    cli.kill('SIGINT')
    await cli.waitForText('out', 'asked')
    cli.kill('SIGINT')
    await cli.waitForText('out', /asked\nasked/u)
    cli.stdin.write('go')

    expect((await cli.ended).exitCode).toBe(5)
  })
})

test('stdin, stdout and stderr are those of the program, byte for byte', async () => {
  const bytes = noise(1_000_000)
  const script =
    'process.stdin.pipe(process.stdout); process.stdin.once("end", () => console.error("done"))'

  const { stdout, err, exitCode } = await runCli(['run', ...node(script)], { stdin: bytes })

  expect(exitCode).toBe(0)
  expect(stdout.equals(bytes)).toBe(true)
  expect(linesOf(err)[0]).toBe('done')
})

test('the program gets its words as they are, with no shell between', async () => {
  const words = ['a b', '$HOME', '--json', '', "it's", '*', '--', 'ü']
  const script = 'process.stdout.write(JSON.stringify(process.argv.slice(1)))'

  const { out } = await runCli(['run', ...node(script), ...words])

  expect(JSON.parse(out)).toEqual(words)
})

test('the ready file says where the proxy is and what to trust, and the files go with the run', async () => {
  const path = join(folder, 'ready.json')
  const script = 'console.log(JSON.stringify(process.env)); process.stdin.resume()'
  await using cli = startCli(['run', '--ready-file', path, ...node(script)], { keepsStdin: true })

  const ready = await waitForReady(cli, path)
  const env = JSON.parse(await cli.waitForText('out', '\n')) as Record<string, string>
  const { mode } = await stat(path)
  const caCert = new X509Certificate(await readFile(ready.caCert))
  const bundle = await readFile(ready.bundle, 'utf8')
  const added = await readFile(env['NODE_EXTRA_CA_CERTS'] ?? '', 'utf8')
  cli.stdin.end()
  const { exitCode } = await cli.ended

  expect(ready).toEqual({
    url: `http://127.0.0.1:${ready.port}`,
    port: expect.any(Number),
    caCert: expect.any(String),
    bundle: expect.any(String),
    pid: cli.pid,
    routes: [],
  })
  expect(mode & 0o777).toBe(0o600)
  expect(caCert.ca).toBe(true)
  expect(bundle).toContain(caCert.toString().trim())
  const proxy = new URL(env['HTTPS_PROXY'] ?? '')
  expect(proxy.host).toBe(`127.0.0.1:${ready.port}`)
  expect(env['https_proxy']).toBe(env['HTTPS_PROXY'])
  expect(added.trim()).toBe(caCert.toString().trim())
  expect(env['SSL_CERT_FILE']).toBe(ready.bundle)
  expect(exitCode).toBe(0)
  expect(existsSync(ready.caCert)).toBe(false)
  expect(existsSync(ready.bundle)).toBe(false)
  expect(await readdir(join(cli.home, 'run'))).toEqual([])
})

test('the proxy serves only those who know the token of the run', async () => {
  const path = join(folder, 'ready.json')
  const args = ['run', '--json', '--capture', 'none', '--ready-file', path]
  const script = 'process.stderr.write(process.env.HTTPS_PROXY + "\\n"); process.stdin.resume()'
  await using cli = startCli([...args, ...node(script)], { keepsStdin: true })
  const { port } = await waitForReady(cli, path)
  const { password } = new URL((await cli.waitForText('err', '\n')).trim())
  const basic = (token: string): string =>
    `Proxy-Authorization: Basic ${Buffer.from(`porthole:${token}`).toString('base64')}\r\n`
  const connect = (fields: string): Promise<string> =>
    exchangeRaw(
      port,
      `CONNECT api.openai.com:443 HTTP/1.1\r\nHost: api.openai.com:443\r\n${fields}\r\n`,
      headEnd,
    )

  const without = await connect('')
  const wrong = await connect(basic('wrong'))
  const plain = await exchangeRaw(
    port,
    'GET http://api.openai.com/ HTTP/1.1\r\nHost: api.openai.com\r\n\r\n',
    headEnd,
  )
  const right = await connect(basic(password))
  cli.stdin.end()
  const { out, exitCode } = await cli.ended

  for (const answer of [without, wrong, plain]) {
    expect(answer).toMatch(/^HTTP\/1\.1 407 /u)
    expect(answer).toMatch(/^Proxy-Authenticate: Basic/imu)
  }
  expect(right).toMatch(/^HTTP\/1\.1 200 /u)
  expect(exitCode).toBe(0)
  const messages = messagesOf(linesOf(out))
  expectWellFormed(messages)
  expect(only('connection-refused', messages)).toMatchObject([
    { status: 407, reason: 'unauthenticated' },
    { status: 407, reason: 'unauthenticated' },
    { status: 407, reason: 'unauthenticated' },
  ])
  expect(out).not.toContain(password)
})

describe('the capture of a run', () => {
  test('goes into the home, readable by its owner only', async () => {
    await using cli = startCli(['run', ...node('')])
    const { err } = await cli.ended

    const captures = join(cli.home, 'captures')
    const [name = ''] = await readdir(captures)
    expect(err).toContain(`capture: ${join(captures, name)}`)
    expect((await stat(captures)).mode & 0o777).toBe(0o700)
    expect((await stat(join(captures, name))).mode & 0o777).toBe(0o600)
  })

  test('goes into the folder that was named, and nowhere with none', async () => {
    const target = join(folder, 'records')
    await mkdir(target)

    await using cli = startCli(['run', '--capture', target, ...node('')])
    await cli.ended
    await using silent = startCli(['run', '--capture', 'none', ...node('')])
    const { err } = await silent.ended

    expect(await readdir(target)).toHaveLength(1)
    expect(existsSync(join(cli.home, 'captures'))).toBe(false)
    expect(existsSync(join(silent.home, 'captures'))).toBe(false)
    expect(err).not.toContain('capture:')
  })
})

test("a proxy variable of the user's own does not reach the program", async () => {
  const env = {
    HTTPS_PROXY: 'http://user:secret@proxy.example:3128',
    all_proxy: 'http://proxy.example:3128',
    NO_PROXY: 'api.openai.com,internal.example',
    NODE_TLS_REJECT_UNAUTHORIZED: undefined,
  }
  const script = 'console.log(JSON.stringify(process.env))'

  const { out, err } = await runCli(['run', ...node(script)], { env })

  const seen = JSON.parse(out) as Record<string, string>
  for (const name of ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'ALL_PROXY', 'all_proxy']) {
    expect(seen[name]).toMatch(/^http:\/\/porthole:[\w-]{43}@127\.0\.0\.1:\d+$/u)
  }
  expect(seen['NO_PROXY']).not.toContain('api.openai.com')
  expect(seen['NO_PROXY']).toContain('internal.example')
  expect(err).not.toContain('secret')
})
