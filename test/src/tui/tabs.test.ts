/** What holds for every tab of the detail and for the sessions, whatever was said. */
import { fc, test } from '@fast-check/vitest'
import { expect } from 'vitest'

import type { BlockCache, TabView } from '../../../src/tui/block.ts'
import { createBlockCache } from '../../../src/tui/block.ts'
import type { Document, Folds } from '../../../src/tui/document.ts'
import { lineText } from '../../../src/tui/document.ts'
import { displayWidth } from '../../../src/tui/format.ts'
import { openRowOf } from '../../../src/tui/open-row.ts'
import { detailFrame, gutterWidth } from '../../../src/tui/screens/detail-frame.ts'
import { initialDetail, tabs } from '../../../src/tui/screens/detail.ts'
import { sessionItemLine } from '../../../src/tui/session-item-line.ts'
import {
  sessionHeading,
  sessionLayout,
  sessionLine,
  sessionSummary,
} from '../../../src/tui/session-line.ts'
import { sessionItems } from '../../../src/tui/session-tree.ts'
import { anyMessage } from './any-message.ts'
import { findUnsafe } from './hostile-text.ts'
import { linesOf, stateOf } from './tab-view.ts'

const anyFolds: fc.Arbitrary<Folds> = fc
  .tuple(
    fc.constantFrom('open' as const, 'closed' as const, undefined),
    fc.subarray(['m0', 'm1-0', 'e0', 'e1', 'tools', 'a0', 'merged', 'answer-1']),
  )
  .map(([all, toggled]) => ({ all, toggled: new Set(toggled) }))

const messages = fc.array(anyMessage, { minLength: 1, maxLength: 30 })

function expectSafe(line: string, width: number): void {
  expect(findUnsafe(line)).toBeUndefined()
  expect(line).not.toContain('\n')
  expect(displayWidth(line)).toBeLessThanOrEqual(width)
}

/** The document of every tab of every row. */
function* documents(
  said: Parameters<typeof stateOf>[0],
  view: Pick<TabView, 'width' | 'folds'>,
  cacheOf: () => BlockCache,
): Generator<Document> {
  const state = stateOf(said)
  for (const row of state.rows) {
    const open = openRowOf(state, row, state.latestAt)
    for (const tab of tabs) {
      const size = { width: view.width + gutterWidth, height: 10 }
      yield detailFrame(open, { ...initialDetail, tab, folds: view.folds }, size, cacheOf())
        .document
    }
  }
}

test.prop([messages, fc.integer({ min: 20, max: 200 }), anyFolds])(
  'every tab lays out any row safely and within the width',
  (said, width, folds) => {
    const cache = createBlockCache()
    for (const document of documents(said, { width, folds }, () => cache)) {
      for (const line of linesOf(document)) expectSafe(line, width)
    }
  },
)

test.prop([messages, anyFolds])(
  'no tab shows what another one has left in the cache',
  (said, folds) => {
    const shared = createBlockCache()
    const alone = [...documents(said, { width: 80, folds }, createBlockCache)].map(linesOf)
    const after = [...documents(said, { width: 80, folds }, () => shared)].map(linesOf)
    const again = [...documents(said, { width: 80, folds }, () => shared)].map(linesOf)

    expect(after).toEqual(alone)
    expect(again).toEqual(alone)
  },
)

test.prop([messages, fc.integer({ min: 20, max: 120 }), anyFolds])(
  'the blocks of every tab are its lines, each found by its line and its name',
  (said, width, folds) => {
    for (const { lines, blocks } of documents(said, { width, folds }, createBlockCache)) {
      const whole = lines.slice(0, lines.length)
      const joined = Array.from({ length: blocks.count }, (_, at) => blocks.at(at))
      expect(joined.flatMap((placed) => placed?.block.lines().map(lineText))).toEqual(
        whole.map(lineText),
      )
      expect(new Set(joined.map((placed) => placed?.block.id)).size).toBe(blocks.count)
      for (const [at, placed] of joined.entries()) {
        if (placed === undefined) throw new Error('no block')
        expect(placed.block.lines()).toHaveLength(placed.block.height)
        expect(blocks.indexOf(placed.block.id)).toBe(at)
        if (placed.block.height > 0) expect(blocks.indexAt(placed.start)).toBe(at)
      }
      expect(lines.slice(3, 7).map(lineText)).toEqual(whole.slice(3, 7).map(lineText))
    }
  },
)

test.prop([messages, fc.integer({ min: 20, max: 300 })])(
  'the sessions are laid out safely and within the width',
  (said, width) => {
    const { sessions } = stateOf(said)
    const layout = sessionLayout(width)
    expectSafe(lineText(sessionHeading(layout)), width)
    for (const session of sessions.list) {
      for (const isSelected of [true, false]) {
        expectSafe(lineText(sessionLine(session, layout, isSelected)), width)
        for (const item of sessionItems(session)) {
          const look = { width, isSelected, isFolded: isSelected }
          expectSafe(lineText(sessionItemLine(item, look)), width)
        }
      }
      for (const line of sessionSummary(session, width)) expectSafe(lineText(line), width)
    }
  },
)
