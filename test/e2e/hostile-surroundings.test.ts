/**
 * The command line in bad company: readers that do not read, too few file descriptors, and a secret
 * that its child must not find.
 */
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { attach } from '../../src/control/client.ts'
import { listDescriptors } from '../../src/control/descriptor.ts'
import { canary } from '../support/canary.ts'
import type { Cli, ReadyFile } from '../support/cli.ts'
import { mainPath, runCli, startCli, startProgram, waitForReady } from '../support/cli.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'porthole-hostile-'))
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

async function connect(port: number): Promise<Socket> {
  const socket = net.connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await Promise.race([once(socket, 'connect'), once(socket, 'close')])
  return socket
}

/** So many requests on one connection, each refused with a message of its own; resolves with the answers. */
async function flood(port: number, count: number, status = 400): Promise<number> {
  const socket = await connect(port)
  const line = `GET ${status === 400 ? '/' : 'http://x/'} HTTP/1.1\r\nHost: x\r\n\r\n`
  let all = ''
  let answers = 0
  const done = Promise.withResolvers<void>()
  socket.on('data', (chunk: Buffer) => {
    all += chunk.toString('latin1')
    answers = all.split(`HTTP/1.1 ${status} `).length - 1
    if (answers === count) done.resolve()
  })
  socket.once('close', () => done.resolve())
  for (let sent = 0; sent < count; sent += 1) {
    if (!socket.write(line)) await once(socket, 'drain')
  }
  await done.promise
  socket.destroy()
  return answers
}

describe('a standard output that nobody reads', () => {
  test.each([
    ['start', [], 400],
    // `run` demands a token. Its child shares the output, which Node makes blocking for that.
    ['run', ['--', process.execPath, '-e', 'setInterval(() => {}, 1000)'], 407],
  ] as const)(
    'N12 under %s --json stops no traffic, and is told',
    async (command, rest, status) => {
      const flags = ['--json', '--limit', 'stdout-queue=64KiB']
      await using cli = startCli([command, ...common(), ...flags, ...rest])
      const { port } = await ready(cli)
      cli.stdout.pause()

      const answers = await flood(port, 3000, status)
      // Messages are told between events of the loop: each of these connections brings several.
      let more = 0
      for (let round = 0; round < 100; round += 1) more += await flood(port, 1, status)
      // All of it has been told to nobody by now, and still there were answers.
      cli.stdout.resume()
      // The loss is told with the next message for which there is room again.
      const readAgain = async (): Promise<string> => {
        ;(await connect(port)).destroy()
        return cli.text('out')
      }
      await expect.poll(readAgain, { timeout: 60_000 }).toContain('"kind":"messages-dropped"')
      cli.kill('SIGTERM')
      const { out: text } = await cli.ended

      expect([answers, more]).toEqual([3000, 100])
      expect(text).toContain('"where":"stdout"')
      for (const line of text.trimEnd().split('\n')) expect(() => JSON.parse(line)).not.toThrow()
    },
  )
})

test.runIf(process.platform === 'linux')(
  'N9 a proxy that runs out of file descriptors lives on, and serves again',
  async () => {
    const start = [process.execPath, mainPath, 'start', ...common(), '--no-viewer']
    const script = 'ulimit -n 64; exec "$@"'
    await using cli = startProgram(['sh', '-c', script, 'sh', ...start])
    const { port } = await ready(cli)
    const held: Socket[] = []

    for (let count = 0; count < 150; count += 1) held.push(await connect(port))
    let turnedAway = 0
    for (const socket of held) {
      socket.once('end', () => {
        turnedAway += 1
      })
      socket.resume()
    }
    await expect.poll(() => turnedAway, { timeout: 60_000 }).toBeGreaterThan(0)
    for (const socket of held) socket.destroy()

    await expect.poll(() => flood(port, 1), { timeout: 60_000 }).toBe(1)
    cli.kill('SIGTERM')
    expect((await cli.ended).exitCode).toBe(0)
  },
)

test('S11 a secret that is injected is not in the environment of the child', async () => {
  const secret = `sk-${canary}`
  const config = join(folder, 'porthole.json')
  const credential = { host: 'api.openai.com', header: 'Authorization', env: 'THE_KEY' }
  await writeFile(config, JSON.stringify({ credentials: [credential] }))
  const program = 'console.log(JSON.stringify([process.env, process.argv]))'

  const result = await runCli(
    ['run', '--capture', 'none', '--config', config, '--', process.execPath, '-e', program],
    { env: { THE_KEY: secret } },
  )

  expect(result.exitCode).toBe(0)
  expect(result.out).toContain('"THE_KEY":"porthole-placeholder"')
  expect(result.out + result.err).not.toContain(secret)
})

describe('a limit of the command line', () => {
  test('capture-file rotates the capture', async () => {
    const capture = join(folder, 'traffic.jsonl')
    const flags = ['--capture', capture, '--limit', 'capture-file=2KiB,capture-queue=1MiB']
    await using cli = startCli(['start', ...common(), ...flags])
    const { port } = await ready(cli)

    await flood(port, 100)
    cli.kill('SIGTERM')

    expect((await cli.ended).exitCode).toBe(0)
    const files = (await readdir(folder)).filter((name) => name.startsWith('traffic'))
    expect(files.length).toBeGreaterThan(3)
  })

  test('viewers and viewer-history bound who attaches, and what is there to see', async () => {
    const flags = [
      '--no-viewer',
      '--limit',
      'viewers=1',
      '--limit',
      'viewer-history=1,viewer-queue=1MiB',
    ]
    await using cli = startCli(['start', ...common(), ...flags])
    // Whoever looks along here would be the one viewer that there may be.
    const { port } = await waitForReady(cli, join(folder, 'ready.json'), { hasViewer: false })
    await flood(port, 50)
    // Who attaches before all of it has been told would hear the rest of it live.
    await expect
      .poll(() => cli.text('out').split('\n').length, { timeout: 15_000 })
      .toBeGreaterThan(50)
    // `discover` knocks at the socket, and that too is a viewer until it has gone.
    const [descriptor] = await listDescriptors(join(cli.home, 'run'))
    if (descriptor === undefined) throw new Error('no proxy is there')
    const seen: string[] = []
    const live = Promise.withResolvers<void>()
    const first = attach(descriptor, {
      onMessage: ({ kind }) => {
        seen.push(kind)
        if (kind === 'connection-closed') live.resolve()
      },
      onClose: () => undefined,
      onHello: () => void flood(port, 1),
    })
    await live.promise

    const refused = await new Promise((onClose) => {
      attach(descriptor, { onMessage: () => undefined, onClose })
    })
    first.close()

    expect(refused).toEqual({ reason: 'refused', message: '1 viewers are attached already' })
    expect(seen.filter((kind) => kind === 'connection-refused').length).toBeLessThan(50)
  })

  test('that is unknown is a usage error with the nearest one', async () => {
    const result = await runCli(['start', '--limit', 'conections=1'])

    expect(result.exitCode).toBe(2)
    expect(result.err).toContain('there is no limit "conections"')
    expect(result.err).toContain('did you mean connections?')
  })

  test('is listed by help, with its default', async () => {
    const result = await runCli(['run', '--help'])

    expect(result.out).toMatch(/^ {2}answer-timeout=1h +from the end of a request/mu)
    expect(result.out).toContain('--limit <NAME=VALUE[,…]>')
  })
})
