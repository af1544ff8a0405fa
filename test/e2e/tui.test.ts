import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { encodeLine } from '../../src/messages/codec.ts'
import type { AnalysisMsg } from '../../src/messages/schema.ts'
import { displayWidth } from '../../src/tui/format.ts'
import { hostileTexts } from '../src/tui/hostile-text.ts'
import {
  callEnd,
  callStart,
  plainExchange,
  responseStart,
  stamp,
  textEvent,
  tunnel,
  wholeCall,
} from '../src/tui/sample-messages.ts'
import type { TmuxScreen } from '../support/tmux.ts'
import { hasTmux, openTmux } from '../support/tmux.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const compiledViewer = join(
  process.env['PORTHOLE_TEST_DIST'] ?? join(root, 'dist'),
  'src/tui/viewer.js',
)
const program = join(root, 'test/fixtures/tui/viewer-program.ts')

interface Viewer extends AsyncDisposable {
  readonly screen: TmuxScreen
  readonly socket: Socket
  send(...messages: readonly AnalysisMsg[]): void
  end(): void
}

let directory = ''
beforeEach(async ({ skip }) => {
  skip(!hasTmux, 'tmux is not installed')
  directory = await mkdtemp(join(tmpdir(), 'porthole-tui-'))
})
afterEach(async () => {
  if (directory !== '') await rm(directory, { recursive: true, force: true })
})

async function openViewer(
  columns: number,
  rows: number,
  env: Readonly<Record<string, string>> = {},
): Promise<Viewer> {
  const socketPath = join(directory, 's')
  const variables = Object.entries({ FORCE_COLOR: '1', ...env }).map(
    ([name, value]) => `${name}=${value}`,
  )
  const screen = await openTmux({
    command: ['env', ...variables, process.execPath, program, compiledViewer, socketPath],
    columns,
    rows,
  })
  await screen.waitFor('waiting for the first call')
  const socket = connect(socketPath)
  await once(socket, 'connect')
  return {
    screen,
    socket,
    send(...messages) {
      for (const msg of messages) socket.write(`{"msg":${encodeLine(msg).trimEnd()}}\n`)
    },
    end() {
      socket.write('{"end":true}\n')
    },
    async [Symbol.asyncDispose]() {
      socket.destroy()
      await screen[Symbol.asyncDispose]()
    },
  }
}

/**
 * Each look at the screen is checked whole: a picture is painted on a cleared screen after every
 * resize, so that two looks in a row may find two pictures, or none.
 */
async function expectOnScreen(
  screen: TmuxScreen,
  check: (lines: readonly string[]) => void,
): Promise<void> {
  await vi.waitFor(
    async () => {
      check(await screen.lines())
    },
    { timeout: 60_000, interval: 25 },
  )
}

async function expectTidy(screen: TmuxScreen, columns: number, rows: number): Promise<void> {
  await expectOnScreen(screen, (lines) => {
    expect(lines).toHaveLength(rows)
    expect(lines[0]).toMatch(/^Porthole fixture/u)
    expect(lines.at(-1)).toMatch(/(?:q quit|\? help)$/u)
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(columns)
  })
}

describe('the viewer in a terminal', () => {
  it('shows a call from its first byte to its cost, opens it, and quits', async () => {
    await using viewer = await openViewer(80, 24)
    const { screen } = viewer
    const call = { id: 'x1', prompt: 'Write a poem', answer: 'Roses are red, violets are blue.' }

    viewer.send(...callStart(call), responseStart(call))
    await screen.waitFor('Write a poem')
    viewer.send(textEvent(call, 0, 'Roses are '))
    await screen.waitFor('Roses are')
    await screen.press('Enter')
    await screen.waitFor('answer streaming …')
    viewer.send(textEvent(call, 1, 'red, violets'))
    await screen.waitFor('Roses are red, violets')
    viewer.send(...callEnd(call))
    await screen.waitFor('cost $0.0123 (exact)')
    await expectTidy(screen, 80, 24)

    await screen.press('Tab')
    await screen.waitFor('X-Api-Key: [REDACTED]')
    await screen.press('l')
    await screen.waitFor('200 OK')
    await screen.press('l')
    await screen.waitFor('+10 ms  {"type":"content_block_delta"')
    await screen.press('2')
    await screen.waitFor('"stream": true')
    await screen.press('Escape')
    await screen.waitFor(/200 +2\.3s +1\.2k +321 +\$0\.0123/u)
    await expectTidy(screen, 80, 24)
    await screen.press('q')

    expect(await screen.exited()).toBe(0)
    // The program has ended before the terminal has read its last words.
    await expectOnScreen(screen, (lines) => {
      expect(lines.join('\n')).not.toContain('Porthole fixture')
    })
  })

  it('follows new rows, stays where the user went, and resumes', async () => {
    await using viewer = await openViewer(80, 24)
    const { screen } = viewer
    const send = (from: number, to: number): void => {
      for (let index = from; index < to; index += 1) {
        viewer.send(...plainExchange(`x${index}`, `/number-${index}.`))
      }
    }

    send(0, 60)
    await screen.waitFor('/number-59.')
    await screen.press('k', 'k')
    await screen.waitFor('58/60')
    send(60, 90)
    expect(await screen.waitFor('58/90')).not.toContain('/number-89.')
    await screen.press('G')
    await screen.waitFor('/number-89.')
    await screen.press('g')
    await screen.waitFor('/number-0.')
    await screen.press('C-d')
    await screen.waitFor('11/90')
    await expectTidy(screen, 80, 24)
  })

  it('filters, hides tunnels and explains its keys', async () => {
    await using viewer = await openViewer(80, 24)
    const { screen } = viewer
    viewer.send(...wholeCall({ id: 'x1' }), ...tunnel('x2'), ...plainExchange('x3', '/left-pad'))
    await screen.waitFor('left-pad')

    await screen.press('t')
    await screen.waitFor('1 tunnels hidden')
    await screen.type('fpad')
    await screen.waitUntil((lines) => !lines.join('\n').includes('claude'))
    await screen.press('Enter', '?')
    await screen.waitFor('show or hide tunnels')
    await expectHelpIsWhole(screen)
    await screen.press('Escape')
    await screen.waitFor('prompt')
    await screen.press('Escape')
    await screen.waitFor('claude')
    await screen.press('t')
    await screen.waitFor('statsig')
  })

  it.each([
    [80, 24],
    [120, 40],
    [200, 50],
    [40, 12],
  ])('is tidy on %d by %d cells, wide characters included', async (columns, rows) => {
    await using viewer = await openViewer(columns, rows)
    const { screen } = viewer
    for (let index = 0; index < 70; index += 1) {
      const prompt = `第${index}の質問 ${'日本語のテキスト '.repeat(20)}`
      viewer.send(...wholeCall({ id: `x${index}`, prompt, answer: '한국어 '.repeat(80) }))
    }
    await screen.waitFor('70 calls')
    await screen.press('k')
    await screen.waitFor('69/70')

    await expectOnScreen(screen, (lines) => {
      expect(lines).toHaveLength(rows)
      for (const line of lines.slice(2, -1)) expect(line).toMatch(/^[ ›] .*200/u)
      const columnOf = new Set(lines.slice(2, -1).map((line) => line.indexOf('200')))
      expect(columnOf.size).toBe(1)
    })
    await screen.press('Enter')
    await screen.waitFor('line ')
    await expectOnScreen(screen, (lines) => {
      expect(lines).toHaveLength(rows)
    })
  })

  it('survives a storm of resizes and a terminal of 20 by 5 cells', async () => {
    await using viewer = await openViewer(80, 24)
    const { screen } = viewer
    viewer.send(...wholeCall({ id: 'x1' }))
    await screen.waitFor('claude')

    for (let index = 0; index < 10; index += 1) {
      await screen.resize(40 + index * 10, 10 + index)
      await screen.resize(20, 5)
    }
    await screen.waitFor('following')
    await screen.press('Enter')
    await screen.waitFor('Conversation')
    await screen.resize(100, 30)

    await screen.waitFor('esc back  tab next  / search  x export  ? help')
    await expectTidy(screen, 100, 30)
  })

  it('lets no text from the wire act on the terminal', async () => {
    await using viewer = await openViewer(120, 40)
    const { screen } = viewer
    const titleBefore = await screen.title()

    for (const [index, text] of hostileTexts.entries()) {
      const short = text.slice(0, 100_000)
      viewer.send(
        ...callStart({ id: `x${index}`, model: short, provider: short, prompt: short }),
        stamp({
          kind: 'exchange-failed',
          exchangeId: `f${index}`,
          by: 'upstream',
          phase: 'waiting',
          code: short,
          message: short,
          durationMs: 1,
        }),
      )
    }
    await screen.waitFor(`${hostileTexts.length} calls`)
    await screen.waitFor(String.raw`\x1b[2J\x1b[H wiped`)
    await expectTidy(screen, 120, 40)
    await screen.press('g', 'Enter')
    await screen.waitFor('get_weather')
    await screen.type('n'.repeat(12))
    await screen.waitFor(String.raw`\x9b2J`)

    await expectTidy(screen, 120, 40)
    expect(await screen.title()).toBe(titleBefore)
    expect(await screen.clipboard()).toBeUndefined()
  })

  it('draws colours, and none where NO_COLOR is set', async () => {
    const colorsOf = async (env: Readonly<Record<string, string>>): Promise<boolean> => {
      await using viewer = await openViewer(80, 24, env)
      viewer.send(...wholeCall({ id: 'x1' }))
      let styled = ''
      await vi.waitFor(
        async () => {
          styled = (await viewer.screen.lines(true)).join('\n')
          expect(styled).toContain('claude')
        },
        { timeout: 60_000, interval: 25 },
      )
      return /\u001b\[(?:[0-9]+;)*(?:3[0-7]|9[0-7])m/u.test(styled)
    }

    expect(await colorsOf({})).toBe(true)
    expect(await colorsOf({ NO_COLOR: '1' })).toBe(false)
  })

  it('works on a dumb terminal', async () => {
    await using viewer = await openViewer(80, 24, { TERM: 'dumb', FORCE_COLOR: '0' })
    viewer.send(...wholeCall({ id: 'x1' }))

    await viewer.screen.waitFor('claude-sonnet-4-5')
    await viewer.screen.press('Enter')
    await viewer.screen.waitFor('What is the weather?')
    await expectTidy(viewer.screen, 80, 24)
  })

  it('stays open when its proxies are gone', async () => {
    await using viewer = await openViewer(80, 24)
    viewer.send(...callStart({ id: 'x1', prompt: 'cut off' }))
    await viewer.screen.waitFor('cut off')

    viewer.end()

    await viewer.screen.waitFor('proxy ended')
    await viewer.screen.press('Enter')
    await viewer.screen.waitFor('its end was not seen')
    await viewer.screen.press('C-c')
    expect(await viewer.screen.exited()).toBe(0)
  })

  it('ends when the terminal under it is closed', async () => {
    await using viewer = await openViewer(80, 24)
    const closed = once(viewer.socket, 'close')

    await viewer.screen.hangUp()

    await closed
    expect(viewer.socket.destroyed).toBe(true)
  })
})

async function expectHelpIsWhole(screen: TmuxScreen): Promise<void> {
  await expectOnScreen(screen, (lines) => {
    const text = lines.join('\n')
    expect(text).toContain('allow a tunnelled host')
    expect(text).not.toContain('…')
  })
}
