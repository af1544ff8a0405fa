import { describe, expect, it, vi } from 'vitest'

import type { MessageSource, SourceHandlers, ViewerOptions } from '../../../src/tui/viewer.tsx'
import { runViewer } from '../../../src/tui/viewer.tsx'
import type { FakeTerminal } from './fake-terminal.ts'
import { openFakeTerminal } from './fake-terminal.ts'
import { plainExchange, wholeCall } from './sample-messages.ts'

class ManualSource implements MessageSource {
  handlers: SourceHandlers | undefined
  closed = 0

  start(handlers: SourceHandlers): void {
    this.handlers = handlers
  }

  close(): void {
    this.closed += 1
  }
}

function open(terminal: FakeTerminal, options: Partial<ViewerOptions> = {}) {
  const source = new ManualSource()
  const { stdin, stdout } = terminal
  const ended = runViewer({ source, stdin, stdout, title: 'sample', ...options })
  return { source, ended }
}

async function shows(terminal: FakeTerminal, text: string): Promise<void> {
  await vi.waitFor(
    () => {
      expect(terminal.writes.join('')).toContain(text)
    },
    { timeout: 60_000 },
  )
}

describe('the viewer', () => {
  it('uses the alternate screen and gives everything back when the user quits', async () => {
    const terminal = openFakeTerminal(80, 24)
    const { source, ended } = open(terminal)
    await shows(terminal, 'waiting for the first call')
    expect(terminal.isRaw()).toBe(true)
    expect(terminal.writes.join('')).toContain('\u001b[?1049h')

    terminal.press('q')

    expect(await ended).toBe('quit')
    expect(source.closed).toBe(1)
    expect(terminal.isRaw()).toBe(false)
    const all = terminal.writes.join('')
    expect(all.lastIndexOf('\u001b[?1049l')).toBeGreaterThan(all.lastIndexOf('\u001b[?1049h'))
    expect(all.lastIndexOf('\u001b[?25h')).toBeGreaterThan(all.lastIndexOf('\u001b[?25l'))
  })

  it('shows what its source says and stays when the source ends', async () => {
    const terminal = openFakeTerminal(100, 24)
    const { source, ended } = open(terminal)
    for (const msg of wholeCall({ id: 'x1' })) source.handlers?.onMessage(msg, 'p')
    await shows(terminal, 'claude-sonnet-4-5')
    source.handlers?.onStatus('attached to 1 proxy')
    await shows(terminal, 'attached to 1 proxy')

    source.handlers?.onEnd()

    await shows(terminal, 'proxy ended')
    for (const msg of plainExchange('x2', '/late')) source.handlers?.onMessage(msg, 'p')
    await shows(terminal, '/late')
    terminal.press('\u0003')
    expect(await ended).toBe('quit')
  })

  it('paints everything anew after the terminal was resized', async () => {
    const terminal = openFakeTerminal(100, 24)
    const { source, ended } = open(terminal)
    for (const msg of wholeCall({ id: 'x1' })) source.handlers?.onMessage(msg, 'p')
    await shows(terminal, 'claude-sonnet-4-5')

    terminal.resize(120, 30)

    await vi.waitFor(
      () => {
        const [, after = ''] = terminal.writes.join('').split('\u001b[H\u001b[J')
        expect(after).toContain('Porthole')
        expect(after).toContain('claude-sonnet-4-5')
      },
      { timeout: 60_000 },
    )
    terminal.press('q')
    expect(await ended).toBe('quit')
  })

  it('paints everything anew after a resize that was taken back at once', async () => {
    const terminal = openFakeTerminal(100, 24)
    const moved = new Set<() => void>()
    const { source, ended } = open(terminal, {
      onTerminalMoved: (listener) => {
        moved.add(listener)
        return () => moved.delete(listener)
      },
    })
    for (const msg of wholeCall({ id: 'x1' })) source.handlers?.onMessage(msg, 'p')
    await shows(terminal, 'claude-sonnet-4-5')

    for (const listener of moved) listener()

    await vi.waitFor(
      () => {
        const [, after = ''] = terminal.writes.join('').split('\u001b[H\u001b[J')
        expect(after).toContain('claude-sonnet-4-5')
      },
      { timeout: 60_000 },
    )
    terminal.press('q')
    expect(await ended).toBe('quit')
    expect(moved.size).toBe(0)
  })

  it('ends quietly when the input is closed', async () => {
    const terminal = openFakeTerminal(80, 24)
    const { source, ended } = open(terminal)
    await shows(terminal, 'waiting')

    terminal.stdin.emit('end')

    expect(await ended).toBe('ended')
    expect(source.closed).toBe(1)
  })

  it.each(['EIO', 'EPIPE'])('ends quietly when the terminal goes away with %s', async (code) => {
    const terminal = openFakeTerminal(80, 24)
    const { source, ended } = open(terminal)
    await shows(terminal, 'waiting')

    terminal.breakOutput(code)
    for (const msg of wholeCall({ id: 'x1' })) source.handlers?.onMessage(msg, 'p')

    expect(await ended).toBe('ended')
    expect(source.closed).toBe(1)
  })

  it('refuses to run without a terminal', async () => {
    const terminal = openFakeTerminal(80, 24)
    Object.assign(terminal.stdout, { isTTY: false })
    const { source, ended } = open(terminal)

    await expect(ended).rejects.toMatchObject({ code: 'ERR_NOT_A_TERMINAL' })
    expect(source.handlers).toBeUndefined()
    expect(terminal.writes).toEqual([])
  })
})
