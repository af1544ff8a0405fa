import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { AppError } from '../../../src/base/errors.ts'
import { ControlServer } from '../../../src/control/server.ts'
import { createLiveSource } from '../../../src/control/source.ts'
import type { MessageSource } from '../../../src/control/source.ts'
import type { AnalysisMsg } from '../../../src/messages/schema.ts'
import type { HeardSource } from '../../support/heard-source.ts'
import { listenTo } from '../../support/heard-source.ts'

let root = ''
let runDirectory = ''
const opened: Array<{ close(): unknown }> = []

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'porthole-source-'))
  runDirectory = join(root, 'run')
})
afterEach(async () => {
  for (const resource of opened.splice(0).toReversed()) await resource.close()
  rmSync(root, { recursive: true })
})

async function startServer(pid: number, allow?: (host: string) => string): Promise<ControlServer> {
  const info = { url: `http://127.0.0.1:${pid}`, startedAt: pid, version: '1' }
  const server = await ControlServer.start({ directory: runDirectory, pid, info, allow })
  opened.push(server)
  return server
}

function ended(seq: number): AnalysisMsg {
  return { v: 1, seq, at: 1, kind: 'request-ended', bytes: 1 }
}

function listen(source: MessageSource): HeardSource {
  opened.push(source)
  return listenTo(source)
}

describe('a live source', () => {
  test('shows every proxy that runs, and those that start later', async () => {
    const first = await startServer(1001)
    first.broadcast(ended(0))
    const { lines, said } = listen(createLiveSource({ runDirectory }))
    await said('http://127.0.0.1:1001 (pid 1001): request-ended 0')

    const second = await startServer(1002)
    await said('status: attached to http://127.0.0.1:1002')
    second.broadcast(ended(0))
    await said('http://127.0.0.1:1002 (pid 1002): request-ended 0')
    await second.close()
    await said('status: http://127.0.0.1:1002 has ended')

    expect(lines).not.toContain('end')
  })

  test('waits for the first proxy, even for its folder', async () => {
    const { lines, said } = listen(createLiveSource({ runDirectory }))
    await said('status: no proxy is running yet; waiting for one to start')

    await startServer(1001)
    await said('status: attached to http://127.0.0.1:1001')

    expect(lines).toHaveLength(2)
  })

  test('of one proxy shows no other and ends with it', async () => {
    const other = await startServer(1001)
    const server = await startServer(1002)
    other.broadcast(ended(7))
    server.broadcast(ended(0))
    const { lines, said } = listen(createLiveSource({ runDirectory, only: server.path }))
    await said('http://127.0.0.1:1002 (pid 1002): request-ended 0')
    await server.close()
    await said('end')

    expect(lines.join()).not.toContain('1001')
    expect(lines.at(-1)).toBe('end')
  })

  test('of one proxy that is gone says so and ends', async () => {
    const { lines, said } = listen(
      createLiveSource({ runDirectory, only: join(root, 'none.sock') }),
    )
    await said('end')

    expect(lines).toEqual(['status: the proxy is not running', 'end'])
  })

  test('says nothing after it was closed', async () => {
    const server = await startServer(1001)
    const source = createLiveSource({ runDirectory })
    const { lines, said } = listen(source)
    await said('status: attached to http://127.0.0.1:1001')
    source.close()
    server.broadcast(ended(1))
    await server.close()

    expect(lines).toEqual(['status: attached to http://127.0.0.1:1001'])
  })
})

describe('asking a proxy to decrypt a host', () => {
  const origin = 'http://127.0.0.1:1 (pid 1)'
  const attached = 'status: attached to http://127.0.0.1:1'

  test('reaches that proxy, and every other viewer is told', async () => {
    const asked: string[] = []
    await startServer(1, (host) => {
      asked.push(host)
      return `${host} is decrypted`
    })
    const source = createLiveSource({ runDirectory })
    const one = listen(source)
    const other = listen(createLiveSource({ runDirectory }))
    await Promise.all([one.said(attached), other.said(attached)])

    await expect(source.allow?.(origin, 'llm.example')).resolves.toBe('llm.example is decrypted')
    await other.said('status: llm.example is decrypted')
    expect(asked).toEqual(['llm.example'])
    expect(one.lines).not.toContain('status: llm.example is decrypted')
  })

  test('says why where it is refused, and tells nobody else', async () => {
    const server = await startServer(1, () => {
      throw new AppError('ERR_CA_OF_RUN', { host: 'llm.example' })
    })
    const source = createLiveSource({ runDirectory })
    const one = listen(source)
    const other = listen(createLiveSource({ runDirectory }))
    await Promise.all([one.said(attached), other.said(attached)])

    await expect(source.allow?.(origin, 'llm.example')).resolves.toContain(
      'start it again with --allow llm.example',
    )
    server.broadcast(ended(1))
    await other.said(`${origin}: request-ended 1`)
    expect(other.lines.filter((line) => line.includes('llm.example'))).toEqual([])
  })

  test('says so where the proxy is not there, or ends before it answers', async () => {
    const server = await startServer(1)
    const source = createLiveSource({ runDirectory })
    const one = listen(source)
    await one.said(attached)

    await expect(source.allow?.('another', 'a.example')).resolves.toContain('not attached')
    const unanswered = source.allow?.(origin, 'a.example')
    await server.close()
    await expect(unanswered).resolves.toBe('the proxy has ended')
  })
})
