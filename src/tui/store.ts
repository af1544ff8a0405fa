/**
 * Holds the view model and the screen state between messages, keys and frames. Messages change the
 * model at once but ask for a new frame only every `frameMs`; keys ask for one immediately.
 */
import type { Clock } from '../base/clock.ts'
import type { AnalysisMsg } from '../messages/schema.ts'
import { createBlockCache } from './block.ts'
import { createRowSelector } from './filter.ts'
import { safeLine } from './format.ts'
import { actionOf } from './keys.ts'
import type { ViewLimits, ViewState } from './model.ts'
import { applyMessage, createViewState, endRunningRows } from './model.ts'
import type { RowList } from './row-list.ts'
import { rowListOf } from './row-list.ts'
import type { DetailFrame } from './screens/detail-frame.ts'
import { detailFrame } from './screens/detail-frame.ts'
import { listTop, selectedIndex } from './screens/selection.ts'
import type { UiContext, UiState } from './ui.ts'
import { initialUi, keyScreenOf, reduceTyping, reduceUi } from './ui.ts'

export interface ScreenSize {
  readonly columns: number
  readonly rows: number
}

/** Heights of the screen's parts; together never more than the terminal has rows. */
export interface ScreenParts {
  readonly listHeight: number
  readonly detailHeight: number
}

/** One frame's worth of state. */
export interface ViewerFrame {
  readonly state: ViewState
  readonly ui: UiState
  readonly list: ListFrame
  /** While a row is open. */
  readonly detail: DetailFrame | undefined
  /** The newest time that can be told: running rows are measured against it. */
  readonly now: number
  readonly sourceStatus: string
}

export interface ListFrame extends RowList {
  readonly hiddenTunnels: number
  readonly selectedIndex: number
  /** The index of the first row on screen. */
  readonly top: number
}

export interface StoreOptions {
  readonly clock: Clock
  /** Runs `task` once after `delayMs`; the viewer passes a timer, tests what they like. */
  readonly schedule: (task: () => void, delayMs: number) => void
  readonly limits?: ViewLimits
}

/** 25 frames a second at most: smooth to read, and cheap whatever the rate of messages. */
const frameMs = 40
/** Where a frame is dear (a huge terminal, a busy machine), at least half of the time stays free. */
const maxFrameMs = 250

export function screenParts(size: ScreenSize): ScreenParts {
  // The list stands under the header and its column titles, the detail under header, summary and
  // tabs; below both is the status line.
  return {
    listHeight: Math.max(1, size.rows - 3),
    detailHeight: Math.max(1, size.rows - 4),
  }
}

export class ViewerStore {
  readonly #options: StoreOptions
  readonly #state: ViewState
  readonly #select = createRowSelector()
  readonly #cache = createBlockCache()
  readonly #listeners = new Set<() => void>()
  #ui = initialUi
  #sourceStatus = ''
  #version = 0
  #isScheduled = false
  #hasEnded = false
  #frameCostMs = 0
  /** The least that a message was behind the clock: recordings lie in the past, proxies do not. */
  #lagMs = Number.POSITIVE_INFINITY

  constructor(options: StoreOptions) {
    this.#options = options
    this.#state = createViewState(options.limits)
  }

  /** Takes in a message; `origin` names the proxy it came from. */
  apply(msg: AnalysisMsg, origin: string): void {
    applyMessage(this.#state, msg, origin)
    this.#lagMs = Math.min(this.#lagMs, this.#options.clock.now() - msg.at)
    this.#notifySoon()
  }

  /** `text` is untrusted: a source may quote what a proxy said. */
  setSourceStatus(text: string): void {
    this.#sourceStatus = safeLine(text, 256)
    this.#notifySoon()
  }

  /** No more messages can come. A status that is set later replaces `proxy ended`. */
  end(): void {
    this.#hasEnded = true
    endRunningRows(this.#state)
    this.setSourceStatus('proxy ended')
  }

  /** Handles the keys of one input event; true when one of them asks to quit. */
  press(keys: readonly string[], size: ScreenSize): boolean {
    const quits = keys.some((key) => this.#press(key, size))
    this.#notify()
    return quits
  }

  /** For React: `listener` runs when a new frame should be drawn. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** For React: changes whenever a new frame should be drawn. */
  readonly version = (): number => this.#version

  /** Draws again if something runs whose elapsed time is shown. */
  tick(): void {
    if (this.#state.running > 0 && !this.#hasEnded) this.#notify()
  }

  frame(size: ScreenSize): ViewerFrame {
    const list = this.#listFrame(size)
    return {
      state: this.#state,
      ui: this.#ui,
      list,
      detail: this.#detailFrame(list, size),
      now: this.#now(),
      sourceStatus: this.#sourceStatus,
    }
  }

  #listFrame(size: ScreenSize): ListFrame {
    const ui = this.#ui
    const { filter: text, showTunnels } = ui.list
    const { rows, hiddenTunnels } = this.#select(this.#state, { text, showTunnels })
    const list = rowListOf(rows)
    return {
      ...list,
      hiddenTunnels,
      selectedIndex: selectedIndex(ui, list),
      top: listTop(ui, list, screenParts(size).listHeight),
    }
  }

  #detailFrame(list: ListFrame, size: ScreenSize): DetailFrame | undefined {
    const ui = this.#ui
    if (ui.screen !== 'detail') return undefined
    // A row that is read stays open when it no longer passes the filter.
    const row = this.#state.byId.get(ui.list.selectedId ?? '') ?? list.rows[list.selectedIndex]
    if (row === undefined) return undefined
    const { detailHeight: height } = screenParts(size)
    return detailFrame(row, ui.detail, { width: size.columns, height }, this.#cache)
  }

  #now(): number {
    const { latestAt } = this.#state
    if (this.#hasEnded) return latestAt
    return Math.max(latestAt, this.#options.clock.now() - this.#lagMs)
  }

  #press(key: string, size: ScreenSize): boolean {
    const ui = this.#ui
    const typed = reduceTyping(ui, key)
    if (typed !== undefined) {
      this.#ui = typed
      return false
    }
    const action = actionOf(key, keyScreenOf(ui))
    if (action === undefined) return false
    if (action === 'quit') return true
    this.#ui = reduceUi(ui, action, this.#context(size))
    this.#state.pinnedId = this.#ui.screen === 'detail' ? this.#ui.list.selectedId : undefined
    return false
  }

  #context(size: ScreenSize): UiContext {
    const { list, detail } = this.frame(size)
    const lines = detail?.document.lines.length ?? 0
    const top = detail?.top ?? 0
    return { list, ...screenParts(size), detail: { row: detail?.row, lines, top } }
  }

  #notify(): void {
    const { clock } = this.#options
    const startedAt = clock.monotonicMs()
    this.#version += 1
    for (const listener of this.#listeners) listener()
    // Ink draws before the listeners return.
    this.#frameCostMs = clock.monotonicMs() - startedAt
  }

  #notifySoon(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#options.schedule(
      () => {
        this.#isScheduled = false
        this.#notify()
      },
      Math.min(maxFrameMs, frameMs + this.#frameCostMs),
    )
  }
}
