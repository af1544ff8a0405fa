import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { attach, discover } from '../../../src/control/client.ts'
import type { AttachEnd } from '../../../src/control/client.ts'
import type { Hello } from '../../../src/control/descriptor.ts'
import { ControlServer } from '../../../src/control/server.ts'
import type { ControlServerOptions } from '../../../src/control/server.ts'
import type { AnalysisMsg } from '../../../src/messages/schema.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Bytes in buffers that something still holds: freed ones are given back over a few turns. */
async function heldBytes(): Promise<number> {
  let held = Infinity
  for (let round = 0; round < 20; round += 1) {
    collectGarbage()
    await new Promise((resolve) => setImmediate(resolve))
    held = Math.min(held, process.memoryUsage().arrayBuffers)
  }
  return held
}

let root = ''
let directory = ''
const opened: Array<{ close(): unknown }> = []

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'porthole-control-'))
  directory = join(root, 'run')
})
afterEach(async () => {
  for (const resource of opened.splice(0).toReversed()) await resource.close()
  rmSync(root, { recursive: true })
})

const info = { url: 'http://127.0.0.1:8080', startedAt: 5, command: 'claude', version: '1.2.3' }

async function startServer(more: Partial<ControlServerOptions> = {}): Promise<ControlServer> {
  const options = { directory, pid: 4711, info, temporaryDirectory: root, ...more }
  const server = await ControlServer.start(options)
  opened.push({ close: () => server.close() })
  return server
}

function failed(seq: number, error = 'e'): AnalysisMsg {
  return { v: 1, seq, at: seq, kind: 'analyzer-failed', analyzer: 'a', error }
}

/** An attached viewer that keeps what it is told, and lets a test wait for a message. */
function attachViewer(socket: string) {
  const messages: AnalysisMsg[] = []
  let awaited: { seq: number; resolve: () => void } | undefined
  const hello = Promise.withResolvers<Hello>()
  const closed = Promise.withResolvers<AttachEnd>()
  const attachment = attach(
    { socket },
    {
      onHello: hello.resolve,
      onMessage: (msg) => {
        messages.push(msg)
        if (awaited !== undefined && msg.seq >= awaited.seq) awaited.resolve()
      },
      onClose: closed.resolve,
    },
  )
  opened.push(attachment)
  const reached = (seq: number) =>
    new Promise<void>((resolve) => {
      if ((messages.at(-1)?.seq ?? -1) >= seq) resolve()
      else awaited = { seq, resolve }
    })
  return { ...attachment, messages, reached, hello: hello.promise, closed: closed.promise }
}

async function connectRaw(path: string): Promise<Socket> {
  const socket = connect(path)
  opened.push({ close: () => socket.destroy() })
  await once(socket, 'connect')
  return socket
}

describe('a viewer', () => {
  test('is greeted, told what was, then what happens', async () => {
    const server = await startServer()
    server.broadcast(failed(0))
    server.broadcast(failed(1, 'line\u2028end\n'))
    const viewer = attachViewer(server.path)

    expect(await viewer.hello).toEqual({ v: 1, pid: 4711, ...info })
    await viewer.reached(1)
    server.broadcast(failed(2))
    await viewer.reached(2)

    expect(viewer.messages).toEqual([failed(0), failed(1, 'line\u2028end\n'), failed(2)])
  })

  test('gets the last messages before the proxy closes', async () => {
    const server = await startServer()
    const viewer = attachViewer(server.path)
    await viewer.hello
    for (let seq = 0; seq < 1000; seq += 1) server.broadcast(failed(seq))
    await server.close()

    expect(await viewer.closed).toEqual({ reason: 'ended', message: '' })
    expect(viewer.messages.map((msg) => msg.seq)).toEqual([...Array(1000).keys()])
  })

  test('is turned away as the seventeenth, and let in once another leaves', async () => {
    const server = await startServer()
    const viewers = Array.from({ length: 16 }, () => attachViewer(server.path))
    await Promise.all(viewers.map((viewer) => viewer.hello))

    expect(await attachViewer(server.path).closed).toEqual({
      reason: 'refused',
      message: '16 viewers are attached already',
    })
    viewers[0]?.close()
    await viewers[0]?.closed
    let late = attachViewer(server.path)
    // The server learns of the end a moment after the viewer does.
    while (!(await Promise.race([late.hello.then(() => true), late.closed.then(() => false)]))) {
      late = attachViewer(server.path)
    }
    expect(await late.hello).toMatchObject({ pid: 4711 })
  })

  test('that dies, half closes or sends garbage harms nobody', async () => {
    const server = await startServer()
    const healthy = attachViewer(server.path)
    await healthy.hello
    const dying = await connectRaw(server.path)
    const shouting = await connectRaw(server.path)
    const halfClosed = await connectRaw(server.path)
    dying.destroy()
    halfClosed.end('{"hello":')
    shouting.on('error', () => {})
    shouting.write(Buffer.alloc(1_000_000, 0xff))
    shouting.write('{"kind":"request-started"}\n'.repeat(1000))

    for (let seq = 0; seq < 100; seq += 1) server.broadcast(failed(seq))
    await healthy.reached(99)

    expect(healthy.messages).toHaveLength(100)
  })
})

describe('a viewer that does not read', () => {
  test('costs a bounded queue, is told what it missed, and holds up nobody', async () => {
    const server = await startServer({ snapshotBytes: 100_000, clientQueueBytes: 1_000_000 })
    const healthy = attachViewer(server.path)
    await healthy.hello
    const stalled = await connectRaw(server.path)
    stalled.pause()
    const before = await heldBytes()
    const pad = 'x'.repeat(500)
    for (let seq = 0; seq < 100_000; seq += 1) {
      server.broadcast(failed(seq, pad))
      if (seq % 500 === 499) await healthy.reached(seq)
    }
    const grownBytes = (await heldBytes()) - before

    expect(healthy.messages.map((msg) => msg.kind)).not.toContain('messages-dropped')
    expect(healthy.messages).toHaveLength(100_000)
    // 100,000 messages are 60 MB; the queue and the snapshot are 1.1 MB.
    expect(grownBytes).toBeLessThan(10e6)

    let text = ''
    stalled.on('data', (chunk: Buffer) => (text += chunk.toString()))
    stalled.resume()
    const told = new Promise<void>((resolve) => {
      stalled.on('data', () => text.includes('"where":"viewer"') && resolve())
    })
    await told
    server.broadcast(failed(100_000))
    while (!text.endsWith(`${JSON.stringify(failed(100_000))}\n`)) await once(stalled, 'data')
    const [hello = '', ...lines] = text.split('\n').slice(0, -1)
    const messages = lines.map((line) => JSON.parse(line) as AnalysisMsg)
    const note = messages.at(-2)
    const missing = 100_001 - (messages.length - 1)
    expect(hello).toContain('"hello"')
    expect(missing).toBeGreaterThan(90_000)
    expect(note).toMatchObject({ kind: 'messages-dropped', where: 'viewer', count: missing })
    expect(messages.map((msg) => msg.seq)).toEqual([
      ...Array(100_000 - missing + 1).keys(),
      100_000,
    ])
  })

  test('does not keep the proxy from closing', async () => {
    const server = await startServer()
    const stalled = await connectRaw(server.path)
    stalled.pause()
    for (let seq = 0; seq < 2000; seq += 1) server.broadcast(failed(seq, 'x'.repeat(1000)))

    await server.close()

    expect(existsSync(server.path)).toBe(false)
  })
})

describe('files', () => {
  test.each([0o000, 0o077])('are private at umask %o and gone after closing', async (mask) => {
    const before = process.umask(mask)
    const server = await startServer().finally(() => process.umask(before))
    const descriptor = join(directory, '4711.json')

    expect(statSync(directory).mode & 0o777).toBe(0o700)
    expect(statSync(server.path).mode & 0o777).toBe(0o600)
    expect(statSync(descriptor).mode & 0o777).toBe(0o600)
    expect(JSON.parse(readFileSync(descriptor, 'utf8'))).toEqual({
      pid: 4711,
      socket: join(directory, '4711.sock'),
      ...info,
    })
    await server.close()
    expect(readdirSync(directory)).toEqual([])
  })

  test('of dead processes are removed, those of living ones are kept', async () => {
    const living = await startServer()
    const dead = { ...info, pid: 99, socket: join(directory, '99.sock') }
    writeFileSync(join(directory, '99.json'), JSON.stringify(dead))
    writeFileSync(join(directory, 'note.json'), 'not a descriptor')

    await startServer({ pid: 4712 })

    expect(readdirSync(directory).sort()).toEqual([
      '4711.json',
      '4711.sock',
      '4712.json',
      '4712.sock',
      'note.json',
    ])
    expect((await discover(directory)).map(({ socket }) => socket)).toContain(living.path)
  })

  test('that a descriptor names are removed only if they are dead sockets', async () => {
    const precious = join(root, 'precious')
    writeFileSync(precious, 'precious')
    mkdirSync(directory, { mode: 0o700 })
    writeFileSync(join(directory, '1.json'), JSON.stringify({ ...info, pid: 1, socket: precious }))

    expect(await discover(directory)).toEqual([])
    expect(readdirSync(directory)).toEqual([])
    expect(readFileSync(precious, 'utf8')).toBe('precious')
  })

  test('do not collide where two processes have one id', async () => {
    const first = await startServer()
    const second = await startServer()

    expect(second.path).not.toBe(first.path)
    expect(await discover(directory)).toHaveLength(2)
  })

  test('cannot be made where the folder is a link', async () => {
    mkdirSync(join(root, 'elsewhere'))
    symlinkSync(join(root, 'elsewhere'), directory)

    await expect(startServer()).rejects.toMatchObject({ code: 'ERR_HOME_UNWRITABLE' })
  })
})

describe('a path that is too long for a socket', () => {
  beforeEach(() => {
    directory = join(root, 'h'.repeat(60), 'o'.repeat(60), 'run')
  })

  function refuge(): string {
    const name = readdirSync(root).find((entry) => entry.startsWith('porthole-'))
    return join(root, name ?? 'missing')
  }

  test('goes to a private folder, is found, and is removed', async () => {
    const server = await startServer()
    const viewer = attachViewer(server.path)

    expect(await viewer.hello).toMatchObject({ pid: 4711 })
    expect(server.path.startsWith(refuge())).toBe(true)
    expect(statSync(refuge()).mode & 0o777).toBe(0o700)
    expect(await discover(directory)).toMatchObject([{ socket: server.path }])
    await server.close()
    expect(readdirSync(refuge())).toEqual([])
    expect(readdirSync(directory)).toEqual([])
  })

  test('is refused where the folder is open to others', async () => {
    await (await startServer()).close()
    chmodSync(refuge(), 0o755)

    await expect(startServer()).rejects.toMatchObject({
      code: 'ERR_HOME_UNWRITABLE',
      message: expect.stringContaining('open to others'),
    })
  })
})
