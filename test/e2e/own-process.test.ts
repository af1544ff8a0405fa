/**
 * What can be read of the proxy's own process by those beside it, and what Node's settings make of
 * it: variables, core dumps, inspectors, and files that were meant for the program.
 */
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'

import { canary } from '../support/canary.ts'
import type { Cli, ReadyFile } from '../support/cli.ts'
import { runCli, startCli, waitForReady } from '../support/cli.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-own-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

const common = (): string[] => [
  '--listen=127.0.0.1:0',
  '--capture=none',
  `--ready-file=${join(folder, 'ready.json')}`,
]
const ready = (cli: Cli): Promise<ReadyFile> => waitForReady(cli, join(folder, 'ready.json'))
const isLinux = process.platform === 'linux'
/** Lives until it is told to end, and says who it is. */
const waiting = [
  '--',
  process.execPath,
  '-e',
  'console.log(`pid ${process.pid} `); setInterval(() => {}, 1000)',
]

async function childOf(cli: Cli): Promise<number> {
  const text = await cli.waitForText('out', /pid \d+ /u)
  return Number(/pid (?<pid>\d+) /u.exec(text)?.groups?.['pid'])
}

async function writeConfig(): Promise<string> {
  const config = join(folder, 'porthole.json')
  const credential = { host: 'api.openai.com', header: 'Authorization', env: 'THE_KEY' }
  await writeFile(config, JSON.stringify({ credentials: [credential] }))
  return config
}

describe.runIf(isLinux)('the environment of the proxy', () => {
  test.each([
    ['run', waiting],
    ['start', ['--no-viewer']],
  ] as const)('S11 under %s shows no secret that was put there', async (command, rest) => {
    const env = {
      THE_KEY: `sk-${canary}`,
      SECRET_ENCRYPTION_KEY: Buffer.from(canary.padEnd(32).slice(0, 32)).toString('base64'),
      UNTOUCHED: 'as it was',
    }
    const config = await writeConfig()
    await using cli = startCli([command, ...common(), `--config=${config}`, ...rest], { env })
    const { pid } = await ready(cli)

    const shown = await readFile(`/proc/${pid}/environ`, 'utf8')

    expect(shown).toContain('UNTOUCHED=as it was')
    expect(shown).not.toContain(env.THE_KEY)
    expect(shown).not.toContain(env.SECRET_ENCRYPTION_KEY)
  })
})

describe.runIf(isLinux)('a core dump', () => {
  const filterOf = async (pid: number): Promise<number> =>
    Number.parseInt(await readFile(`/proc/${pid}/coredump_filter`, 'latin1'), 16)

  test('S11 of the proxy has no memory in it, one of the program what it would have had', async () => {
    await using cli = startCli(['run', ...common(), ...waiting])
    const child = await childOf(cli)

    expect(await filterOf((await ready(cli)).pid)).toBe(0)
    expect(await filterOf(child)).toBe(await filterOf(process.pid))
  })

  test('S11 of a standing proxy has no memory in it', async () => {
    await using cli = startCli(['start', ...common(), '--no-viewer'])

    expect(await filterOf((await ready(cli)).pid)).toBe(0)
  })
})

describe('settings of Node that were meant for the program', () => {
  test('S11 an inspector that NODE_OPTIONS opens is the program’s alone, attached or not', async () => {
    // Waits for a debugger, as editors have it: one for us, and another for the program.
    const env = { NODE_OPTIONS: '--inspect-wait=127.0.0.1:0' }
    const program = 'console.log(`program ${process.getBuiltinModule("node:inspector").url()} `)'
    await using cli = startCli(['run', '--capture=none', '--', process.execPath, '-e', program], {
      env,
    })
    const own = /ws:\S+/u.exec(await cli.waitForText('err', /listening on ws:\S+\n/u))?.[0] ?? ''
    const debuggers = [new WebSocket(own)]
    const gone = once(debuggers[0] ?? cli.stdin, 'close')
    debuggers[0]?.once('open', () => run(debuggers[0]))
    const run = (socket?: WebSocket): void =>
      socket?.send(JSON.stringify({ id: 1, method: 'Runtime.runIfWaitingForDebugger' }))

    await gone
    const both = /listening on ws:[^]+listening on ws:\S+\n/u
    const theirs = /[^]*(?<url>ws:\S+)/u.exec(await cli.waitForText('err', both))?.groups?.['url']
    const second = new WebSocket(theirs ?? '')
    second.once('open', () => run(second))
    await cli.waitForText('out', `program ${theirs} `)

    const { port, hostname } = new URL(own)
    const probe = net.connect(Number(port), hostname)
    const [error] = (await once(probe, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNREFUSED')
    second.close()
    expect((await cli.ended).exitCode).toBe(0)
  })

  test('S11 NODE_OPTIONS reaches the program as it is', async () => {
    const options = '--report-on-fatalerror --heapsnapshot-signal=SIGUSR2 --max-old-space-size=500'
    const program = 'console.log(process.env.NODE_OPTIONS, process.report.reportOnFatalError)'

    const { out, exitCode } = await runCli(
      ['run', '--capture=none', '--', process.execPath, '-e', program],
      { env: { NODE_OPTIONS: options } },
    )

    expect(out).toBe(`${options} true\n`)
    expect(exitCode).toBe(0)
  })

  test.runIf(process.platform !== 'win32')(
    'S11 signals that write a heap, a report or open an inspector do neither, and end nothing',
    async () => {
      const cwd = join(folder, 'cwd')
      await (await import('node:fs/promises')).mkdir(cwd)
      const env = {
        NODE_OPTIONS:
          '--heapsnapshot-signal=SIGUSR2 --report-on-signal --report-signal=SIGURG --inspect-port=0',
      }
      await using cli = startCli(['start', ...common(), '--no-viewer'], { env, cwd })
      const { port } = await ready(cli)

      // SIGURG ends nobody by default.
      for (const signal of ['SIGUSR1', 'SIGUSR2', 'SIGURG'] as const) cli.kill(signal)
      const socket = net.connect(port, '127.0.0.1')
      socket.end('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      const [answer] = (await once(socket, 'data')) as [Buffer]
      cli.kill('SIGTERM')
      const { exitCode, err } = await cli.ended

      expect(answer.toString('latin1')).toMatch(/^HTTP\/1\.1 400 /u)
      expect(exitCode).toBe(0)
      expect(err).not.toContain('Debugger')
      expect(await readdir(cwd)).toEqual([])
    },
  )

  test.each([
    ['NODE_OPTIONS', '--tls-keylog=keys', '--tls-keylog'],
    ['NODE_OPTIONS', '--heapsnapshot-near-heap-limit=1', '--heapsnapshot-near-heap-limit'],
    ['NODE_OPTIONS', '--trace-event-categories=node.http', '--trace-event-categories'],
    ['NODE_DEBUG', 'http', 'http'],
  ])(
    'S11 that would write secrets down keep it from starting: %s=%s',
    async (name, value, told) => {
      const { exitCode, err } = await runCli(['run', '--', 'true'], {
        env: { [name]: value },
        cwd: folder,
      })

      expect(exitCode).toBe(69)
      expect(err).toContain(
        `porthole: ${told} in ${name} would have Node write down what must stay secret; unset it; ` +
          `for a program alone: porthole run -- env ${name}=… COMMAND`,
      )
    },
  )
})
