import { describe, expect, it } from 'vitest'

import type { Clock } from '../../../src/base/clock.ts'
import { screenParts } from '../../../src/tui/screen-parts.ts'
import { ViewerStore } from '../../../src/tui/store.ts'
import { viewLimits } from '../../../src/tui/view-limits.ts'
import {
  callStart,
  plainExchange,
  sampleStart,
  stamp,
  tunnel,
  wholeCall,
} from './sample-messages.ts'

const size = { columns: 80, rows: 24 }

class ManualTime implements Clock {
  ms = sampleStart
  readonly #tasks: Array<{ readonly task: () => void; readonly delayMs: number }> = []

  now(): number {
    return this.ms
  }

  monotonicMs(): number {
    return this.ms
  }

  readonly schedule = (task: () => void, delayMs: number): void => {
    this.#tasks.push({ task, delayMs })
  }

  /** Runs what is scheduled and returns the delays that were asked for. */
  run(): number[] {
    return this.#tasks.splice(0).map(({ task, delayMs }) => {
      task()
      return delayMs
    })
  }
}

function openStore() {
  const time = new ManualTime()
  const store = new ViewerStore({ clock: time, schedule: time.schedule })
  let frames = 0
  store.subscribe(() => {
    frames += 1
  })
  return { time, store, countFrames: () => frames }
}

describe('a call whose details were let go', () => {
  it('is read again when it is opened, once', async () => {
    const time = new ManualTime()
    const asked: string[] = []
    const first = wholeCall({ id: 'x1' })
    const store = new ViewerStore({
      clock: time,
      schedule: time.schedule,
      limits: { ...viewLimits, maxDetails: 1 },
      load: async (origin, id) => {
        asked.push(`${origin} ${id}`)
        return first
      },
    })
    for (const msg of [...first, ...wholeCall({ id: 'x2' })]) store.apply(msg, 'file')
    store.press(['g', 'enter'], size)
    const open = (): unknown => store.frame(size).detail?.row.detail

    expect(store.frame(size).notice).toContain('reading it again')
    await expect.poll(open, { timeout: 15_000 }).toBeDefined()
    store.press(['tab', 'tab'], size)
    expect(asked).toEqual(['file x1'])
  })

  it('says so where it cannot be read', async () => {
    const time = new ManualTime()
    const store = new ViewerStore({
      clock: time,
      schedule: time.schedule,
      limits: { ...viewLimits, maxDetails: 1 },
      load: async () => await Promise.reject(new Error('the disk is gone')),
    })
    for (const id of ['x1', 'x2']) for (const msg of wholeCall({ id })) store.apply(msg, 'file')
    store.press(['g', 'enter'], size)
    await expect.poll(() => store.frame(size).notice, { timeout: 15_000 }).toBe('the disk is gone')
  })
})

describe('frames', () => {
  it('asks for one frame for any number of messages, at most 25 a second', () => {
    const { time, store, countFrames } = openStore()

    for (let index = 0; index < 500; index += 1) {
      for (const msg of wholeCall({ id: `x${index}` })) store.apply(msg, 'p')
    }

    expect(countFrames()).toBe(0)
    expect(time.run()).toEqual([40])
    expect(countFrames()).toBe(1)
    expect(store.frame(size).list.rows).toHaveLength(500)
  })

  it('takes longer between frames that take long', () => {
    const { time, store } = openStore()
    store.subscribe(() => {
      time.ms += 120
    })
    store.apply(stamp({ kind: 'connection-opened', clientAddress: '::1', clientPort: 1 }), 'p')
    time.run()

    store.apply(stamp({ kind: 'connection-opened', clientAddress: '::1', clientPort: 1 }), 'p')

    expect(time.run()).toEqual([160])
  })

  it('waits with a frame while the terminal has not taken the last one', () => {
    const time = new ManualTime()
    let isBlocked = true
    const store = new ViewerStore({
      clock: time,
      schedule: time.schedule,
      isBlocked: () => isBlocked,
    })
    let frames = 0
    store.subscribe(() => {
      frames += 1
    })
    store.apply(stamp({ kind: 'connection-opened', clientAddress: '::1', clientPort: 1 }), 'p')

    time.run()
    time.run()
    expect(frames).toBe(0)
    isBlocked = false
    time.run()
    expect(frames).toBe(1)
  })

  it('answers a key at once', () => {
    const { store, countFrames } = openStore()

    expect(store.press(['?'], size)).toBe(false)
    expect(countFrames()).toBe(1)
    expect(store.frame(size).ui.overlay).toBe('help')
  })

  it('ticks only while something runs', () => {
    const { time, store, countFrames } = openStore()
    store.tick()
    expect(countFrames()).toBe(0)

    for (const msg of callStart({ id: 'x1' })) store.apply(msg, 'p')
    time.run()
    store.tick()
    time.run()
    expect(countFrames()).toBe(2)

    store.end()
    time.run()
    store.tick()
    expect(countFrames()).toBe(3)
  })
})

describe('time', () => {
  it('moves on with the clock while a proxy lives', () => {
    const { time, store } = openStore()
    for (const msg of callStart({ id: 'x1' })) store.apply(msg, 'p')
    time.ms += 1500

    expect(store.frame(size).now).toBe(sampleStart + 1500)
  })

  it('is that of the recording when one is played', () => {
    const { time, store } = openStore()
    time.ms = sampleStart + 86_400_000
    for (const msg of callStart({ id: 'x1' })) store.apply(msg, 'p')

    expect(store.frame(size).now).toBe(sampleStart)
    store.end()
    time.ms += 5000
    expect(store.frame(size).now).toBe(sampleStart)
  })
})

describe('keys', () => {
  it('quits on q and on ctrl-c, but not while the filter is typed', () => {
    const { store } = openStore()

    expect(store.press(['/', 'q', 'q', 'enter'], size)).toBe(false)
    expect(store.frame(size).ui.list.filter).toBe('qq')
    expect(store.press(['ctrl-c'], size)).toBe(true)
    expect(store.press(['q'], size)).toBe(true)
  })

  it('opens the selected row and keeps its details', () => {
    const { store } = openStore()
    for (const msg of [...wholeCall({ id: 'x1' }), ...plainExchange('x2', '/')]) {
      store.apply(msg, 'p')
    }

    store.press(['k', 'enter'], size)

    const frame = store.frame(size)
    expect(frame.detail?.row.id).toBe('x1')
    expect(frame.detail?.document.lines.length).toBeGreaterThan(5)
    expect(frame.state.pinnedId).toBe('x1')
    store.press(['tab', 'tab', 'tab', 'esc'], size)
    expect(store.frame(size).state.pinnedId).toBeUndefined()
  })

  it('keeps an open row open when it stops passing the filter', () => {
    const { store } = openStore()
    for (const msg of [...wholeCall({ id: 'x1' }), ...tunnel('x2')]) store.apply(msg, 'p')
    store.press(['/', 's', 'u', 'n', 'n', 'y', 'enter', 'enter'], size)
    expect(store.frame(size).detail?.row.id).toBe('x1')

    const row = store.frame(size).state.byId.get('x1')
    if (row !== undefined) row.answer = 'something else'
    store.apply(stamp({ kind: 'request-ended', exchangeId: 'x1', bytes: 3 }), 'p')

    expect(store.frame(size)).toMatchObject({ list: { rows: [] }, detail: { row: { id: 'x1' } } })
  })
})

describe('the source', () => {
  it('says that it ended, unless it says something else after', () => {
    const { store } = openStore()

    store.end()
    expect(store.frame(size).sourceStatus).toBe('proxy ended')
    store.setSourceStatus('end of\u001b[2J capture')
    expect(store.frame(size).sourceStatus).toBe(String.raw`end of\x1b[2J capture`)
  })
})

it('leaves room for header, titles and status on any screen', () => {
  expect(screenParts({ columns: 80, rows: 24 })).toEqual({
    listHeight: 21,
    detailHeight: 20,
    helpHeight: 22,
    sessionHeight: 19,
  })
  expect(screenParts({ columns: 20, rows: 2 })).toEqual({
    listHeight: 1,
    detailHeight: 1,
    helpHeight: 1,
    sessionHeight: 1,
  })
})
