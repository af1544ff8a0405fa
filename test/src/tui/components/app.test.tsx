import { render } from 'ink'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

// Read by the colour library when it is first loaded: frames are to hold colours here.
vi.hoisted(() => {
  process.env['FORCE_COLOR'] = '1'
})

import type { AnalysisMsg } from '../../../../src/messages/schema.ts'
import { App } from '../../../../src/tui/components/app.tsx'
import { displayWidth } from '../../../../src/tui/format.ts'
import { tabs } from '../../../../src/tui/screens/detail.ts'
import { ViewerStore } from '../../../../src/tui/store.ts'
import { colorTheme, plainTheme } from '../../../../src/tui/theme.ts'
import type { FakeTerminal } from '../fake-terminal.ts'
import { openFakeTerminal } from '../fake-terminal.ts'
import { findUnsafe, hostileTexts, withoutColors } from '../hostile-text.ts'
import {
  callStart,
  plainExchange,
  responseStart,
  sampleStart,
  sampleUsage,
  stamp,
  textEvent,
  tunnel,
  wholeCall,
} from '../sample-messages.ts'

const deadline = { timeout: 60_000, interval: 10 }

interface OpenApp {
  readonly store: ViewerStore
  readonly terminal: FakeTerminal
  /** The lines of the frame on screen, without colours. */
  lines(): string[]
  /** Presses keys and waits until the screen shows the text. */
  press(keys: string, expected: string): Promise<void>
}

let opened: Array<{ unmount(): void }> = []
beforeEach(() => {
  opened = []
})
afterEach(() => {
  for (const instance of opened) instance.unmount()
})

function openApp(columns: number, rows: number, theme = colorTheme): OpenApp {
  const terminal = openFakeTerminal(columns, rows)
  const store = new ViewerStore({
    clock: { now: () => sampleStart, monotonicMs: () => 0 },
    schedule: (task) => {
      setImmediate(task)
    },
  })
  const { stdin, stdout } = terminal
  opened.push(
    render(<App store={store} title="sample" theme={theme} />, {
      stdin,
      stdout,
      debug: true,
      exitOnCtrlC: false,
      patchConsole: false,
    }),
  )
  const lines = (): string[] => withoutColors(terminal.frame()).split('\n')
  return {
    store,
    terminal,
    lines,
    async press(keys, expected) {
      terminal.press(keys)
      await vi.waitFor(() => {
        expect(lines().join('\n')).toContain(expected)
      }, deadline)
    },
  }
}

async function shows(app: OpenApp, expected: string): Promise<void> {
  await vi.waitFor(() => {
    expect(app.lines().join('\n')).toContain(expected)
  }, deadline)
}

describe('the screen', () => {
  it('waits for the first call', async () => {
    const app = openApp(80, 24)

    await shows(app, 'waiting for the first call')
    expect(app.lines()).toHaveLength(24)
    expect(app.lines()[0]).toMatch(/^Porthole sample +0 calls$/u)
    expect(app.lines().at(-1)).toMatch(/^following +enter open {2}\/ filter {2}\? help {2}q quit$/u)
  })

  it('lists calls, exchanges, tunnels and refusals, one line each', async () => {
    const app = openApp(120, 24)
    const messages = [
      ...wholeCall({ id: 'x1' }),
      ...plainExchange('x2', '/left-pad'),
      ...tunnel('x3'),
      stamp({ kind: 'connection-refused', host: 'h', port: 80, status: 403, reason: 'rule' }),
      ...callStart({ id: 'x4', prompt: 'Write a poem' }),
    ]
    for (const msg of messages) app.store.apply(msg, 'p')

    await shows(app, 'Write a poem')
    const rows = app.lines().slice(2, 7)
    expect(rows[0]).toContain('What is the we')
    expect(rows[1]).toContain('GET registry.example.com/left-pad')
    expect(rows[2]).toContain('statsig.example.com:443')
    expect(rows[3]).toContain('h:80 rule')
    expect(rows[4]).toMatch(/^›●/u)
    expect(app.lines()[0]).toMatch(
      /2 calls │ ● 1 │ 2\/min 11\.6k tok\/min │ 11\.2k in 321 out │ \$0\.0123$/u,
    )
  })

  it('streams an answer into its row and into the open call', async () => {
    const app = openApp(100, 24)
    const call = { id: 'x1', prompt: 'Write a poem' }
    for (const msg of [...callStart(call), responseStart(call)]) app.store.apply(msg, 'p')
    app.store.apply(textEvent(call, 0, 'Roses are red'), 'p')
    await shows(app, 'Roses are red')

    await app.press('\r', 'streaming …')
    app.store.apply(textEvent(call, 1, ', violets are blue'), 'p')

    await shows(app, 'Roses are red, violets are blue')
  })

  it('walks from the list through the tabs and back', async () => {
    const app = openApp(80, 24)
    for (const msg of wholeCall({ id: 'x1' })) app.store.apply(msg, 'p')
    await shows(app, 'claude-sonnet-4-5')

    await app.press('\r', 'tools (1)')
    await app.press('\t', 'X-Api-Key: [REDACTED]')
    await app.press('l', '200 OK')
    await app.press('l', '+345 ms')
    await app.press('5', 'first token')
    await app.press('6', '× $3 / M = $0.0037')
    await app.press('h', 'first token')
    await app.press('\u001b', 'prompt')
  })

  it('filters while it is typed', async () => {
    const app = openApp(80, 24)
    for (const msg of [...wholeCall({ id: 'x1' }), ...plainExchange('x2', '/left-pad')]) {
      app.store.apply(msg, 'p')
    }
    await shows(app, 'left-pad')

    await app.press('/left', '/left▏')
    expect(app.lines().join('\n')).not.toContain('claude')
    await app.press('zzz', 'nothing matches "leftzzz"')
    await app.press('\u001b', 'claude')
  })

  it('hides tunnels and says so', async () => {
    const app = openApp(80, 24)
    for (const msg of tunnel('x1')) app.store.apply(msg, 'p')
    await shows(app, 'statsig')

    await app.press('t', '1 tunnels hidden')
    expect(app.lines().join('\n')).toContain('only tunnels so far')
    await app.press('t', 'statsig')
  })

  it('prints the key map as help', async () => {
    const app = openApp(80, 24)

    await app.press('?', 'show or hide tunnels')
    expect(app.lines().join('\n')).toContain('previous tab')
    expect(app.lines().join('\n')).not.toContain('…')
    await app.press('?', 'waiting for the first call')
  })

  it('says what was lost', async () => {
    const app = openApp(120, 24)
    app.store.apply(stamp({ kind: 'messages-dropped', where: 'queue', count: 7, bytes: 1 }), 'p1')
    app.store.apply(stamp({ kind: 'analyzer-failed', analyzer: 'a', error: 'boom' }), 'p2')
    app.store.end()

    await shows(app, '7 dropped │ 1 analyzer errors')
    expect(app.lines()[0]).toContain('sample (2 proxies)')
    expect(app.lines().at(-1)).toContain('proxy ended')
  })

  it('makes only the rows on screen of a hundred thousand', async () => {
    const app = openApp(80, 24)
    for (let index = 0; index < 100_050; index += 1) {
      for (const msg of plainExchange(`x${index}`, `/n${index}`)) app.store.apply(msg, 'p')
    }

    await shows(app, '/n100049')
    expect(app.lines()).toHaveLength(24)
    expect(app.lines().at(-1)).toContain('1,001 older not kept')
    await app.press('g', '/n1001')
    expect(app.lines().at(-1)).toContain('1/99,049')
  })
})

describe('sizes', () => {
  it('lays everything out anew when the terminal is resized', async () => {
    const app = openApp(80, 24)
    for (const msg of wholeCall({ id: 'x1' })) app.store.apply(msg, 'p')
    await shows(app, 'claude')
    expect(app.lines().join('\n')).not.toContain('provider')

    app.terminal.resize(200, 50)

    await shows(app, 'provider')
    expect(app.lines()).toHaveLength(50)
  })

  it.each([
    [20, 5],
    [10, 3],
    [1, 1],
    [5, 2],
    [80, 24],
    [200, 50],
  ])('never draws more than %d by %d cells', async (columns, rows) => {
    const app = openApp(columns, rows)
    for (const msg of [...wholeCall({ id: 'x1', prompt: '日本語'.repeat(50) }), ...tunnel('x2')]) {
      app.store.apply(msg, 'p')
    }
    for (const keys of [
      '',
      'k',
      '\r',
      ...Array.from('2345678z/a\rxjy'),
      '?',
      '?',
      'q',
      'q',
      'S',
      '\r',
      'q',
      '/a',
    ]) {
      const before = app.terminal.writes.length
      app.terminal.press(keys)
      if (keys !== '') {
        await vi.waitFor(() => {
          expect(app.terminal.writes.length).toBeGreaterThan(before)
        }, deadline)
      }
      expect(app.lines().length).toBeLessThanOrEqual(rows)
      for (const line of app.lines()) expect(displayWidth(line)).toBeLessThanOrEqual(columns)
    }
  })
})

/** An answer, its place in a session, and a sub-agent of that session. */
function hostileAnswer(text: string): AnalysisMsg[] {
  const short = text.slice(0, 2000)
  const answered = (exchangeId: string): AnalysisMsg =>
    stamp({
      kind: 'model-answered',
      exchangeId,
      provider: text,
      operation: text,
      model: text,
      output: [
        { type: 'text', text: `# ${text}\n\`\`\`${text}\n**${short}** \`${short}\`` },
        { type: 'reasoning', text },
        { type: 'tool-call', name: text, arguments: JSON.stringify({ [short]: short }) },
        { type: 'tool-result', id: text, text },
        { type: 'media', mediaType: text, bytes: 1 },
        { type: 'other', name: text, text },
      ],
      toolCalls: [{ id: text, name: text, arguments: text }],
      finishReason: text,
      usage: sampleUsage,
      cost: {
        usd: 1,
        confidence: 'estimated',
        lines: [{ bucket: text, tokens: 1, usdPerMillion: 1, usd: 1 }],
        priceSource: text,
        priceDate: text,
      },
      rateLimits: { limits: [{ of: text, remaining: 1 }] },
      durationMs: 5,
      complete: true,
      error: { type: text, message: text },
    })
  const linked = (exchangeId: string, branch: 'main' | 'sub-agent'): AnalysisMsg =>
    stamp({
      kind: 'call-linked',
      exchangeId,
      sessionId: short,
      sessionSource: 'header',
      clientSessionId: text,
      turn: 1,
      branch,
      branchId: `${branch} ${short}`,
      parentExchangeId: branch === 'main' ? undefined : 'x1',
      parentToolCallId: text,
      previousExchangeId: 'x5',
      changed: ['system', 'tools', 'message'],
      cache: { verdict: 'miss', reason: 'unknown' },
      attempt: 1,
      toolResults: [{ id: text, name: text }],
    })
  return [
    ...callStart({ id: 'x5', prompt: `${text} other`, system: `${text}\n${text}`, model: 'm' }),
    answered('x5'),
    linked('x5', 'sub-agent'),
    answered('x1'),
    linked('x1', 'main'),
  ]
}

describe('safety', () => {
  it.each(hostileTexts)('draws hostile text of any field inertly (%#)', async (text) => {
    const app = openApp(300, 30)
    const messages = [
      ...callStart({ id: 'x1', model: text, provider: text, prompt: text, system: text }),
      stamp({
        kind: 'request-started',
        exchangeId: 'x1',
        agent: text,
        method: text,
        url: `https://h/${text}`,
        httpVersion: text,
        headers: [
          [text, text],
          ['User-Agent', text],
        ],
        host: text,
      }),
      textEvent({ id: 'x1' }, 0, text),
      stamp({
        kind: 'model-answered',
        exchangeId: 'x1',
        provider: text,
        operation: text,
        model: text,
        output: [{ type: 'text', text }],
        toolCalls: [{ name: text, arguments: text }],
        finishReason: text,
        durationMs: 1,
        complete: true,
      }),
      stamp({
        kind: 'sse-event',
        exchangeId: 'x1',
        index: 1,
        event: text,
        data: text,
        sinceRequestMs: 1,
      }),
      stamp({ kind: 'response-body', exchangeId: 'x1', text, offset: 0 }),
      ...hostileAnswer(text),
      stamp({
        kind: 'exchange-failed',
        exchangeId: 'x2',
        by: 'upstream',
        phase: 'waiting',
        code: text,
        message: text,
        durationMs: 1,
      }),
      stamp({ kind: 'tls-failed', host: text, side: 'client', code: text, hint: text }),
    ]
    for (const msg of messages) app.store.apply(msg, text)
    app.store.setSourceStatus(text)
    await shows(app, 'prompt')
    await app.press('g', '1/4')
    await app.press('\r', ' Conversation ')
    for (const [at, tab] of tabs.entries()) {
      const before = app.terminal.writes.length
      app.terminal.press(`${at + 1}gzgG`)
      await vi.waitFor(() => {
        expect(app.store.frame({ columns: 100, rows: 30 }).ui.detail.tab).toBe(tab)
        expect(app.terminal.writes.length).toBeGreaterThan(before)
      }, deadline)
    }
    await app.press('\u001b', 'prompt')
    await app.press('S', 'began')
    await app.press('\r', 'turn')
    await app.press('z', 'turn')

    for (const frame of app.terminal.writes) expect(findUnsafe(frame)).toBeUndefined()
    expect(app.terminal.writes.some((frame) => frame.includes('\u001b[36m'))).toBe(true)
  })

  it('uses no colours when it is told not to', async () => {
    const app = openApp(80, 24, plainTheme)
    for (const msg of [...wholeCall({ id: 'x1' }), ...tunnel('x2'), ...callStart({ id: 'x3' })]) {
      app.store.apply(msg, 'p')
    }
    await shows(app, 'claude')
    await app.press('\r', 'esc back')
    await app.press('?', 'Keys')

    const codes = new Set(
      app.terminal.writes.flatMap((frame) =>
        [...frame.matchAll(/\u001b\[([0-9;]*)m/gu)].map(([, code]) => code),
      ),
    )
    // Bold and inverse, on and off.
    expect([...codes].filter((code) => !['1', '22', '7', '27', '0'].includes(code ?? ''))).toEqual(
      [],
    )
  })
})
