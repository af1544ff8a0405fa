import { describe, expect, it } from 'vitest'

import type { ExchangeRecord } from '../../../../src/recorded/exchange-record.ts'
import { actOnDetail } from '../../../../src/tui/detail-actions.ts'
import { lineText } from '../../../../src/tui/document.ts'
import { ViewerStore } from '../../../../src/tui/store.ts'
import {
  callStart,
  plainExchange,
  sampleStart,
  stamp,
  textEvent,
  wholeCall,
} from '../sample-messages.ts'

const size = { columns: 80, rows: 14 }
const long = Array.from({ length: 60 }, (_, at) => `line ${at}`).join('\n')

function open(messages: Parameters<ViewerStore['apply']>[0][], keys: readonly string[] = []) {
  const copied: string[] = []
  const exported: Array<readonly [ExchangeRecord, string]> = []
  const store = new ViewerStore({
    clock: { now: () => sampleStart, monotonicMs: () => 0 },
    schedule: () => undefined,
    copy: (sequence) => void copied.push(sequence),
    exportCall: async (record, format) => {
      exported.push([record, format])
      return 'wrote it'
    },
  })
  for (const msg of messages) store.apply(msg, 'p')
  store.press(['enter', ...keys], size)
  const press = (...pressed: readonly string[]): void => void store.press(pressed, size)
  const frame = () => store.frame(size)
  const current = (): string => {
    const { detail } = frame()
    return detail === undefined
      ? ''
      : detail.document.lines
          .slice(detail.line, detail.line + 1)
          .map(lineText)
          .join('')
  }
  return { store, press, frame, current, copied, exported }
}

describe('the cursor', () => {
  it('begins at the last message of a finished call, and at the end of one that runs', () => {
    expect(open(wholeCall({ id: 'x1', system: long })).current()).toBe('▾ user')
    const running = open([...callStart({ id: 'x1' }), textEvent({ id: 'x1' }, 0, long)])
    expect(running.current()).toBe('  line 59')
    expect(running.frame().detail?.isFollowing).toBe(true)
  })

  it('moves within the screen first, and takes the screen along at its edge', () => {
    const { press, frame } = open(wholeCall({ id: 'x1', answer: long }), ['g'])
    press('j', 'j', 'j')
    expect(frame().detail).toMatchObject({ line: 3, top: 0 })
    press(...Array.from({ length: 20 }, () => 'j'))
    expect(frame().detail).toMatchObject({ line: 23, top: 14 })
    press('k')
    expect(frame().detail).toMatchObject({ line: 22, top: 14 })
    press('pagedown')
    expect(frame().detail).toMatchObject({ line: 31, top: 23 })
  })

  it('stays where it is while an answer grows, unless it follows', () => {
    const { store, press, current } = open([
      ...callStart({ id: 'x1' }),
      textEvent({ id: 'x1' }, 0, long),
    ])
    press('k')
    store.apply(textEvent({ id: 'x1' }, 1, '\nmore'), 'p')
    expect(current()).toBe('  line 58')
    press('G')
    store.apply(textEvent({ id: 'x1' }, 2, '\nlast'), 'p')
    expect(current()).toBe('  last')
  })

  it('stays in its block when all are opened or closed, or the terminal changes', () => {
    const { press, current, store } = open(wholeCall({ id: 'x1', system: long }))
    press('z')
    expect(current()).toBe('▾ user')
    press('z')
    expect(current()).toBe('▸ user What is the weather?')
    const { detail } = store.frame({ columns: 40, rows: 30 })
    expect(detail?.document.lines.slice(detail.line, detail.line + 1).map(lineText)).toEqual([
      '▸ user What is the weather?',
    ])
  })
})

it('enter in a part that cannot be folded folds its message', () => {
  const { press, current } = open(wholeCall({ id: 'x1' }))
  press('j', 'enter')

  expect(current()).toBe('▸ user What is the weather?')
})

describe('the search', () => {
  const found = wholeCall({
    id: 'x1',
    system: `${long}\n${long}\nneedle in the prompt`,
    answer: 'a needle',
  })

  it('goes on, back and around, and opens what is folded', () => {
    const { press, current, frame } = open(found)
    press('/', ...Array.from('Needle'), 'enter')
    expect(current()).toBe('  a needle')
    press('n')
    expect(current()).toBe('▾ system')
    expect(frame().ui.detail.note).toBe('from the start again')
    press('n')
    expect(current()).toBe('  needle in the prompt')
    press('N')
    expect(current()).toBe('  a needle')
  })

  it('ends with escape before the call is left; then n is the next call again', () => {
    const { press, frame } = open([...found, ...plainExchange('x2', '/')], ['p'])
    press('/', 'n', 'enter', 'esc')
    expect(frame().ui).toMatchObject({ screen: 'detail', detail: { search: '' } })
    press('n')
    expect(frame().detail?.row.id).toBe('x2')
    press('q')
    expect(frame().ui.screen).toBe('list')
  })

  it('keeps the search before it where nothing is typed', () => {
    const { press, frame } = open(found)
    press('/', 'x', 'esc', '/', 'n', 'e', 'enter', '/', 'enter')

    expect(frame().ui.detail.search).toBe('ne')
  })
})

describe('copying and exporting', () => {
  it('copies the part of the cursor as base64, and says so', () => {
    const { press, copied, frame } = open(wholeCall({ id: 'x1' }))
    press('y')

    expect(copied).toEqual([`\u001b]52;c;${btoa('What is the weather?')}\u0007`])
    expect(frame().notice).toBe('copied 20 characters')
  })

  it('asks for a format, and takes no other key meanwhile', async () => {
    const { press, exported, frame } = open(wholeCall({ id: 'x1' }))
    press('x', 'G', 'w')
    expect(frame().ui.detail.isExporting).toBe(true)
    press('esc')
    expect(exported).toEqual([])
    press('x', 'c')
    expect(exported.map(([record, format]) => [record.id, format])).toEqual([['x1', 'curl']])
    await expect.poll(() => frame().notice, { timeout: 15_000 }).toBe('wrote it')
    expect(frame().ui.detail.isExporting).toBe(false)
  })

  it('has the whole exchange in the record: heads, bodies, calls and frames', () => {
    const socket = stamp({
      kind: 'websocket-message',
      exchangeId: 'x1',
      direction: 'request',
      opcode: 1,
      text: 'ask',
    })
    const { press, exported } = open([...wholeCall({ id: 'x1' }), socket])
    press('x', 'j')
    const [record] = exported[0] ?? []

    expect(record?.started).toMatchObject({ method: 'POST' })
    expect(record?.request.chunks.map(({ bytes }) => bytes.toString())).toEqual(['{"stream":true}'])
    expect(record?.request.isCut).toBe(false)
    // The sample tells of bytes that it does not bring.
    expect(record?.response).toMatchObject({ bytes: 0, isCut: true })
    expect(record?.calls[0]?.answered?.finishReason).toBe('end_turn')
    expect(record?.frames).toEqual([socket])
    expect(record?.end?.kind).toBe('exchange-completed')
  })

  it('says why nothing can be written where it cannot', () => {
    const { frame } = open(wholeCall({ id: 'x1' }))
    const { detail } = frame()
    if (detail === undefined) throw new Error('nothing is open')

    expect(actOnDetail('export-har', detail, {})).toBe('nothing can be written from here')
    expect(actOnDetail('copy', detail, {})).toBe('this terminal cannot be copied to')
    expect(actOnDetail('down', detail, {})).toBeUndefined()
    detail.row.detail = undefined
    const tools = { exportCall: async () => '' }
    expect(actOnDetail('export-har', detail, tools)).toContain('dropped to make room')
  })
})

describe('sessions', () => {
  const linked = (id: string, turn: number) =>
    stamp({
      kind: 'call-linked',
      exchangeId: id,
      sessionId: 's1',
      sessionSource: 'header',
      turn,
      branch: 'main',
      branchId: 'b1',
      changed: [],
      cache: { verdict: 'hit' },
      attempt: 1,
      toolResults: [],
    })
  const two = [
    ...wholeCall({ id: 'x1' }),
    linked('x1', 1),
    ...plainExchange('x2', '/'),
    ...wholeCall({ id: 'x3' }),
    linked('x3', 2),
  ]

  it('lead to their calls, from one to the next, and back', () => {
    const { press, frame } = open(two, ['q', 'S'])
    expect(frame().ui.screen).toBe('sessions')
    press('enter', 'j', 'enter')
    expect(frame().detail?.row.id).toBe('x1')
    press('n')
    expect(frame().detail?.row.id).toBe('x3')
    press('q')
    expect(frame().ui.screen).toBe('session')
    press('q', 'q')
    expect(frame().ui.screen).toBe('list')
  })

  it('follow the newest until the user moves', () => {
    const { press, frame } = open(two, ['q', 'tab', 'enter', 'G'])

    expect(frame().session).toMatchObject({ index: 3 })
    press('k', 'S')
    expect(frame().ui).toMatchObject({ screen: 'list', session: { pick: { key: 'turn x3' } } })
  })
})
