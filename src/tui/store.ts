/**
 * Holds the view model and the screen state between messages, keys and frames. Messages change the
 * model at once but ask for a new frame only every `frameMs`; keys ask for one immediately.
 */
import { describeError } from '../base/errors.ts'
import type { AnalysisMsg } from '../messages/schema.ts'
import type { Filter } from '../query/filter.ts'
import { parseFilter } from '../query/filter.ts'
import type { FunnelVerdict } from '../recorded/funnel.ts'
import { createBlockCache } from './block.ts'
import { actOnDetail, isDetailAction } from './detail-actions.ts'
import { ExchangeLoader } from './exchange-loader.ts'
import type { SpendSum } from './format.ts'
import { safeLine } from './format.ts'
import { helpLines } from './help-lines.ts'
import type { Action } from './keys.ts'
import { actionOf } from './keys.ts'
import type { Layout } from './layout.ts'
import { layoutFor } from './layout.ts'
import { ListView } from './list-view.ts'
import type { ViewState } from './model.ts'
import { applyMessage, clearRows, createViewState, endRunningRows, pinRow } from './model.ts'
import { openRowOf } from './open-row.ts'
import { applyPreferences, isSamePreferences, preferencesOf } from './preferences.ts'
import type { RowList } from './row-list.ts'
import { createRowTest } from './row-subject.ts'
import type { Row } from './row.ts'
import type { ScreenSize } from './screen-parts.ts'
import { screenParts } from './screen-parts.ts'
import type { DetailFrame } from './screens/detail-frame.ts'
import { detailFrame } from './screens/detail-frame.ts'
import { listTop, selectedIndex } from './screens/selection.ts'
import type { SessionFrame, SessionsFrame } from './screens/sessions-frame.ts'
import { sessionFrame, sessionsFrame } from './screens/sessions-frame.ts'
import { callsOf } from './session-tree.ts'
import type { StoreOptions } from './store-options.ts'
import type { UiContext, UiState } from './ui.ts'
import { initialUi, keyScreenOf, reduceTyping, reduceUi } from './ui.ts'

/** One frame's worth of state. */
export interface ViewerFrame {
  readonly state: ViewState
  readonly ui: UiState
  readonly list: ListFrame
  /** While a row is open. */
  readonly detail: DetailFrame | undefined
  /** Each of these while it is on screen. */
  readonly sessions: SessionsFrame | undefined
  readonly session: SessionFrame | undefined
  /** The newest time that can be told: running rows are measured against it. */
  readonly now: number
  readonly sourceStatus: string
  /** What came of the last key, until the next one; empty where nothing did. */
  readonly notice: string
  readonly spentToday: SpendSum | undefined
  /** Until the first call is seen: how far the programs came on the way to it. */
  readonly verdict: FunnelVerdict | undefined
}

export interface ListFrame extends RowList {
  readonly layout: Layout
  readonly hiddenTunnels: number
  /** Texts that the filter took too long to look through: they counted as no match. */
  readonly skippedTexts: number
  readonly selectedIndex: number
  /** The index of the first row on screen. */
  readonly top: number
}

/** 25 frames a second at most: smooth to read, and cheap whatever the rate of messages. */
const frameMs = 40
/** Where a frame is dear (a huge terminal, a busy machine), at least half of the time stays free. */
const maxFrameMs = 250

export class ViewerStore {
  readonly #options: StoreOptions
  readonly #state: ViewState
  readonly #view: ListView
  readonly #cache = createBlockCache()
  readonly #listeners = new Set<() => void>()
  #ui: UiState
  readonly #loader: ExchangeLoader | undefined
  #filterText = ''
  #filter: Filter | undefined
  #passes: (row: Row) => boolean = () => true
  #sourceStatus = ''
  #notice = ''
  #spentToday: SpendSum | undefined
  #version = 0
  #isScheduled = false
  #hasEnded = false
  #frameCostMs = 0
  /** The least that a message was behind the clock: recordings lie in the past, proxies do not. */
  #lagMs = Number.POSITIVE_INFINITY

  constructor(options: StoreOptions) {
    this.#options = options
    this.#state = createViewState(options.limits)
    this.#view = new ListView(this.#state)
    this.#loader = options.load && new ExchangeLoader(this.#state, options.load)
    const { preferences, initialFilter = '' } = options
    const chosen = preferences === undefined ? initialUi : applyPreferences(initialUi, preferences)
    this.#ui = { ...chosen, list: { ...chosen.list, filter: initialFilter } }
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

  setSpentToday(spend: SpendSum | undefined): void {
    this.#spentToday = spend
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
    if (this.#state.running > 0 && !this.#hasEnded) this.#notifySoon()
  }

  /** Draws again whatever is on screen. */
  redraw(): void {
    this.#notify()
  }

  frame(size: ScreenSize): ViewerFrame {
    const list = this.#listFrame(size)
    return {
      state: this.#state,
      ui: this.#ui,
      list,
      detail: this.#detailFrame(list, size),
      ...this.#sessionFrames(size),
      now: this.#now(),
      sourceStatus: this.#sourceStatus,
      notice: this.#notice,
      spentToday: this.#spentToday,
      verdict: this.#state.calls === 0 ? this.#state.funnel.verdict(this.#now()) : undefined,
    }
  }

  #listFrame(size: ScreenSize): ListFrame {
    const ui = this.#ui
    const view = this.#view
    const { showTunnels, isMarkedOnly, marked, order, choice } = ui.list
    const only = isMarkedOnly ? marked : undefined
    view.update({ passes: this.#test(ui.list.filter), showTunnels, only, order })
    const { listHeight } = screenParts(size)
    const top = listTop(ui, view, listHeight)
    const { rows } = view
    const hasAgents = rows
      .slice(top, top + listHeight)
      .some(({ agent, client }) => agent !== undefined || client !== undefined)
    return {
      rows,
      followIndex: view.followIndex,
      indexOf: (id) => view.indexOf(id),
      layout: layoutFor(size.columns, hasAgents, choice),
      hiddenTunnels: view.hiddenTunnels,
      skippedTexts: this.#filter?.skipped ?? 0,
      selectedIndex: selectedIndex(ui, view),
      top,
    }
  }

  /** The same function for the same text: another one would ask every row again. */
  #test(text: string): (row: Row) => boolean {
    if (text === this.#filterText) return this.#passes
    const parsed = parseFilter(text)
    this.#filterText = text
    this.#filter = parsed.ok ? parsed.filter : undefined
    this.#passes = this.#filter === undefined ? () => true : createRowTest(this.#filter)
    return this.#passes
  }

  #detailFrame(list: ListFrame, size: ScreenSize): DetailFrame | undefined {
    const ui = this.#ui
    if (ui.screen !== 'detail') return undefined
    // A row that is read stays open when it no longer passes the filter.
    const row = this.#state.byId.get(ui.list.selectedId ?? '') ?? list.rows[list.selectedIndex]
    if (row === undefined) return undefined
    const { detailHeight: height } = screenParts(size)
    const open = openRowOf(this.#state, row, this.#now())
    return detailFrame(open, ui.detail, { width: size.columns, height }, this.#cache)
  }

  #sessionFrames(size: ScreenSize): Pick<ViewerFrame, 'sessions' | 'session'> {
    const { screen, sessions, session } = this.#ui
    const { listHeight, sessionHeight } = screenParts(size)
    const all = this.#state.sessions
    return {
      sessions: screen === 'sessions' ? sessionsFrame(all, sessions, listHeight) : undefined,
      session: screen === 'session' ? sessionFrame(all, session, sessionHeight) : undefined,
    }
  }

  #now(): number {
    const { latestAt } = this.#state
    if (this.#hasEnded) return latestAt
    return Math.max(latestAt, this.#options.clock.now() - this.#lagMs)
  }

  #press(key: string, size: ScreenSize): boolean {
    const ui = this.#ui
    this.#notice = ''
    const typed = reduceTyping(ui, key, () => this.#context(size))
    const action = typed === undefined ? actionOf(key, keyScreenOf(ui)) : undefined
    if (action === 'quit') return true
    if (action !== undefined) this.#act(action, size)
    this.#ui = typed ?? (action === undefined ? ui : reduceUi(ui, action, this.#context(size)))
    pinRow(this.#state, this.#ui.screen === 'detail' ? this.#ui.list.selectedId : undefined)
    this.#loadOpen()
    this.#keepPreferences(ui)
    return false
  }

  /** What was let go of the open row is read again. */
  #loadOpen(): void {
    const { list, screen } = this.#ui
    const row = screen === 'detail' ? this.#state.byId.get(list.selectedId ?? '') : undefined
    const loading = row === undefined ? undefined : this.#loader?.load(row)
    if (loading === undefined) return
    this.#notice = 'reading it again from the capture …'
    void this.#awaitAnswer(loading)
  }

  /** What an action does besides changing what is on screen. */
  #act(action: Action, size: ScreenSize): void {
    const { overlay, screen } = this.#ui
    if (overlay === 'clear' && action === 'confirm') clearRows(this.#state)
    if (overlay === undefined && screen === 'list' && action === 'allow') this.#allow(size)
    if (overlay === undefined && screen === 'detail') this.#actOnDetail(action, size)
  }

  #actOnDetail(action: Action, size: ScreenSize): void {
    const frame = isDetailAction(action) ? this.frame(size).detail : undefined
    if (frame === undefined) return
    const said = actOnDetail(action, frame, this.#options)
    if (typeof said === 'string') this.#notice = said
    else if (said !== undefined) {
      this.#notice = 'exporting …'
      void this.#awaitAnswer(said)
    }
  }

  /** Answers come when they come; a later key has the word then. */
  #allow(size: ScreenSize): void {
    const { allow } = this.#options
    const { rows, selectedIndex } = this.#listFrame(size)
    const row = rows[selectedIndex]
    if (row?.kind !== 'tunnel') {
      this.#notice = 'only the host of a tunnel can be allowed'
    } else if (row.problem !== 'not-allowlisted') {
      this.#notice = `the allowlist is not why this passes unread: ${row.problem ?? 'unknown'}`
    } else if (allow === undefined) {
      this.#notice = `to see it, start with --allow ${safeLine(allowName(row.host), 128)}`
    } else {
      this.#notice = 'asking the proxy …'
      void this.#awaitAnswer(allow(row.origin, allowName(row.host)))
    }
  }

  async #awaitAnswer(answer: Promise<string>): Promise<void> {
    this.#notice = safeLine(await answer.catch(describeError), 256)
    this.#notifySoon()
  }

  #keepPreferences(before: UiState): void {
    const { onPreferences } = this.#options
    if (onPreferences === undefined) return
    const preferences = preferencesOf(this.#ui)
    if (!isSamePreferences(preferences, preferencesOf(before))) onPreferences(preferences)
  }

  #context(size: ScreenSize): UiContext {
    const { list, detail, sessions, session } = this.frame(size)
    const help = helpLines(size.columns).length
    const { sessionId } = this.#ui.detail
    const opened = this.#ui.screen === 'detail' ? this.#state.sessions.get(sessionId) : undefined
    return {
      // The next call of a row that was opened from a session is the next of that session.
      list: opened === undefined ? list : callsOf(opened),
      layout: list.layout,
      ...screenParts(size),
      helpLines: help,
      detail,
      sessions,
      session,
    }
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
        if (this.#options.isBlocked?.() === true) this.#notifySoon()
        else this.#notify()
      },
      Math.min(maxFrameMs, frameMs + this.#frameCostMs),
    )
  }
}

/** As an allowlist names it: without the usual port. */
function allowName(hostAndPort: string): string {
  return hostAndPort.replace(/:443$/u, '')
}
