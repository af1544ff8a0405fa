import { once } from 'node:events'
/** The viewer as a user has it: in a pseudo-terminal, read by a terminal emulator. */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { encodeLine } from '../../src/messages/codec.ts'
import type { AnalysisMsg } from '../../src/messages/schema.ts'
import {
  callEnd,
  callStart,
  plainExchange,
  responseStart,
  textEvent,
  tunnel,
  wholeCall,
} from '../src/tui/sample-messages.ts'
import type { Terminal } from '../support/terminal.ts'
import { hasScript, openTerminal } from '../support/terminal.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const dist = process.env['PORTHOLE_TEST_DIST'] ?? join(root, 'dist')
const program = join(root, 'test/fixtures/tui/viewer-program.ts')

let directory = ''
beforeEach(async ({ skip }) => {
  skip(!hasScript, 'script of util-linux is not installed')
  directory = await mkdtemp(join(tmpdir(), 'porthole-viewer-'))
})
afterEach(async () => {
  if (directory !== '') await rm(directory, { recursive: true, force: true })
})

interface Viewer extends AsyncDisposable {
  readonly terminal: Terminal
  readonly socket: Socket
  send(...messages: readonly AnalysisMsg[]): void
}

async function openViewer(
  columns: number,
  rows: number,
  env: Readonly<Record<string, string>> = {},
): Promise<Viewer> {
  const socketPath = join(directory, 's')
  const terminal = await openTerminal({
    command: [process.execPath, program, join(dist, 'src/tui/viewer.js'), socketPath],
    columns,
    rows,
    env: { FORCE_COLOR: '1', ...env },
  })
  await terminal.waitFor('waiting for the first call')
  const socket = connect(socketPath)
  await once(socket, 'connect')
  return {
    terminal,
    socket,
    send(...messages) {
      for (const msg of messages) socket.write(`{"msg":${encodeLine(msg).trimEnd()}}\n`)
    },
    async [Symbol.asyncDispose]() {
      socket.destroy()
      await terminal[Symbol.asyncDispose]()
    },
  }
}

/** Nothing from the wire may have asked the terminal for more than to show text. */
function expectOnlyOurSequences(output: string): void {
  // Sequences of the viewer itself: SGR, cursor, erasing, modes, and synchronised output.
  const rest = output.replaceAll(/\u001b\[[0-9;?]*[A-Za-z]/gu, '').replaceAll(/[\r\n]/gu, '')
  expect(rest).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/u)
}

describe('the viewer', () => {
  it('streams, filters, opens, is resized and quits', async () => {
    await using viewer = await openViewer(120, 30)
    const { terminal } = viewer
    const call = { id: 'x1', prompt: 'Write a poem', answer: 'Roses are red, violets are blue.' }
    viewer.send(...callStart(call), responseStart(call), textEvent(call, 0, 'Roses are '))
    await terminal.waitFor(/●.*Roses are/u)
    viewer.send(textEvent(call, 1, 'red, violets'))
    await terminal.waitFor('Roses are red, violets')

    terminal.type('\r')
    await terminal.waitFor('esc back')
    viewer.send(...callEnd(call))
    await terminal.waitFor('violets are blue.')
    terminal.type('\u001b')
    await terminal.waitFor(/claude-sonnet-4-5 +200/u)

    viewer.send(...plainExchange('x2', '/left-pad'), ...wholeCall({ id: 'x3', model: 'gpt-5' }))
    await terminal.waitFor(/gpt-5 +200/u)
    terminal.type('f~model gpt')
    await terminal.waitFor(/^(?![^]*(?:left-pad|claude))[^]*~model gpt▏/u)
    terminal.type(' & (')
    await terminal.waitFor(/gpt-5 +200[^]*\/~model gpt & \([^]*\S$/u)
    terminal.type('\u001b')
    await terminal.waitFor('left-pad')

    terminal.resize(80, 24)
    await terminal.waitFor(/hidden\s*\n[^]*q quit$/u)
    terminal.resize(300, 40)
    await terminal.waitFor(/time +agent|time +provider/u)
    terminal.type('q')

    expect(await terminal.exited).toBe(0)
    expectOnlyOurSequences(terminal.output())
  })

  it('draws as it should while it is resized under a stream', async () => {
    await using viewer = await openViewer(100, 24)
    const { terminal } = viewer
    const call = { id: 'x1', prompt: 'Count' }
    viewer.send(...callStart(call), responseStart(call))
    for (let index = 0; index < 60; index += 1) {
      viewer.send(textEvent(call, index, `${index} `))
      if (index % 10 === 0) terminal.resize(60 + index, 12 + (index % 9))
    }
    terminal.resize(100, 24)
    const shown = await terminal.waitFor(
      /^Porthole fixture(?![^]*\nPorthole)[^]*●.*58 59[^]*q quit$/u,
    )

    expect(shown.split('\n')).toHaveLength(24)
  })

  it('asks before it clears, marks, sorts and picks columns', async () => {
    await using viewer = await openViewer(100, 24)
    const { terminal } = viewer
    viewer.send(
      ...wholeCall({ id: 'x1', durationMs: 9000 }),
      ...wholeCall({ id: 'x2', durationMs: 500 }),
      ...tunnel('x3'),
    )
    await terminal.waitFor('statsig')
    terminal.type('gmM')
    await terminal.waitFor(/^(?![^]*statsig)[^]*only marked/u)
    terminal.type('UC')
    await terminal.waitFor(/› \[x\] time/u)
    terminal.type(' ')
    await terminal.waitFor(/› \[ \] time/u)
    terminal.type('\u001b')
    await terminal.waitFor(/^ {2,}model/mu)
    terminal.type('oo')
    await terminal.waitFor('by cost down')
    terminal.type('z')
    await terminal.waitFor('clear the list? 3 rows')
    terminal.type('n')
    await terminal.waitFor('statsig')
    terminal.type('zy')
    await terminal.waitFor('cleared; waiting for the next call')
  })

  it('says which step failed where no call appears', async () => {
    await using viewer = await openViewer(160, 24)
    const { terminal } = viewer

    viewer.send(...tunnel('x1', 'api.openai.com'))
    await terminal.waitFor(/no call yet: api\.openai\.com passes unread/u)
    terminal.type('ga')
    await terminal.waitFor('to see it, start with --allow api.openai.com')
  })

  it('uses the 16 named colours and no others', async () => {
    await using viewer = await openViewer(100, 24)
    viewer.send(...wholeCall({ id: 'x1' }))
    await viewer.terminal.waitFor(/claude-sonnet-4-5 +200[^]*q quit$/u)
    const colors = () =>
      viewer.terminal.styledLines().flatMap((line) => line.flatMap(({ color }) => color ?? []))

    await expect.poll(() => colors().length).toBeGreaterThan(0)
    expect(colors().filter((color) => color >= 16)).toEqual([])
  })
})

describe('porthole demo', () => {
  it('shows its calls, keeps what was chosen, and leaves the terminal as it was', async () => {
    const home = join(directory, 'home')
    const env = { FORCE_COLOR: '1', PORTHOLE_HOME: home, LC_ALL: 'C.UTF-8' }
    const demo = [process.execPath, join(dist, 'src/main.js'), 'demo']
    {
      await using terminal = await openTerminal({ command: demo, columns: 140, rows: 30, env })
      await terminal.waitFor(/5 calls/u)
      terminal.type('ov')
      await terminal.waitFor('by duration')
      terminal.type('f~e\r')
      await terminal.waitFor('/~e ')
      terminal.type('q')
      expect(await terminal.exited).toBe(0)
      expect(terminal.lines().join('\n')).toContain('porthole: 5 model calls, 1 failed')
    }

    const kept = JSON.parse(await readFile(join(home, 'viewer.json'), 'utf8'))
    expect(kept).toMatchObject({ order: { by: 'duration', isReversed: false }, filters: ['~e'] })
    expect((await stat(join(home, 'viewer.json'))).mode & 0o777).toBe(0o600)
    await using again = await openTerminal({
      command: demo,
      columns: 140,
      rows: 30,
      env: { ...env, LC_ALL: 'C' },
    })
    await again.waitFor(/5 calls[^]*by duration/u)
    again.type('f\u001b[A')
    await again.waitFor('/~e_')
    // Alone: with a key right behind it, it would be that key with Alt.
    again.type('\u001b')
    await again.waitFor('enter open')
    again.type('q')
    expect(await again.exited).toBe(0)
  })
})
