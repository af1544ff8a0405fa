/**
 * Runs the viewer in a terminal: joins a source of messages, the view model and Ink. It reads no
 * environment and opens nothing; streams and source are handed in. A terminal that goes away ends
 * it quietly, a source that ends does not.
 */
import { render } from 'ink'

import { createSystemClock } from '../base/clock.ts'
import { AppError } from '../base/errors.ts'
import type { AnalysisMsg } from '../messages/schema.ts'
import { App, quitResult } from './components/app.tsx'
import type { ExportCall } from './export-call.ts'
import type { SpendSum } from './format.ts'
import type { Preferences } from './preferences.ts'
import { ViewerStore } from './store.ts'
import type { Theme } from './theme.ts'
import { colorTheme, plainTheme } from './theme.ts'
import type { ViewLimits } from './view-limits.ts'
import { viewLimits } from './view-limits.ts'

export interface SourceHandlers {
  /** `origin` names the proxy that `msg` came from. */
  onMessage(msg: AnalysisMsg, origin: string): void
  /** A short text for the status line, such as `attached to 2 proxies`. */
  onStatus(text: string): void
  /** No more messages can come: the file is read, or every proxy is gone. */
  onEnd(): void
}

export interface MessageSource {
  /** Called once; messages arrive in order. */
  start(handlers: SourceHandlers): void
  close(): void
  /** Asks the proxy `origin` to decrypt `host` from now on; resolves with its answer, one line. */
  allow?(origin: string, host: string): Promise<string>
  /** The messages of one exchange, read again; rejects where they cannot be read. */
  load?(origin: string, exchangeId: string): Promise<readonly AnalysisMsg[]>
}

export interface ViewerOptions {
  readonly source: MessageSource
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  /** What is looked at, for the header: a command, a capture's name. */
  readonly title: string
  /** No colours, as `NO_COLOR` asks; weight and inversion remain. */
  readonly noColor?: boolean
  /** The terminal has no more than ASCII. */
  readonly isAscii?: boolean
  /**
   * Has `listener` called at every change of the terminal's size, one that was taken back before
   * anybody looked included: the terminal has moved its lines even so. Returns what ends that.
   */
  readonly onTerminalMoved?: ((listener: () => void) => () => void) | undefined
  /** What is kept; `viewLimits` unless told otherwise. */
  readonly limits?: ViewLimits | undefined
  /** A filter expression that is in force from the start; one with a mistake shows everything. */
  readonly initialFilter?: string | undefined
  /** What was chosen in an earlier run. */
  readonly preferences?: Preferences | undefined
  /** Called when the user chooses something else. */
  readonly onPreferences?: ((preferences: Preferences) => void) | undefined
  /** Writes a call to a file; without it, calls cannot be exported. */
  readonly exportCall?: ExportCall | undefined
  /** What all calls of today have cost, those of this session among them. */
  readonly spendToday?: (() => Promise<SpendSum>) | undefined
}

/** The bound that Ink keeps; the store asks for fewer. */
const maxFramesPerSecond = 30
/** How often the elapsed time of running calls moves. */
const tickMs = 500
/** How often what was spent today is asked for. */
const spendMs = 30_000

/**
 * Resolves with `quit` when the user quits and with `ended` when the terminal is gone; the source
 * is closed then. Rejects with `ERR_NOT_A_TERMINAL` when there is none to begin with.
 */
export async function runViewer(options: ViewerOptions): Promise<'quit' | 'ended'> {
  const { source, stdin, stdout } = options
  if (!stdin.isTTY || !stdout.isTTY) throw new AppError('ERR_NOT_A_TERMINAL')
  const store = openStore(options)
  const instance = render(<App store={store} title={options.title} theme={themeOf(options)} />, {
    stdin,
    stdout,
    exitOnCtrlC: false,
    patchConsole: false,
    interactive: true,
    alternateScreen: true,
    incrementalRendering: true,
    maxFps: maxFramesPerSecond,
  })
  const gone = watchTerminal(options)
  const stopRepainting = repaintAfterResize(options, () => {
    instance.clear()
    stdout.write(eraseScreen)
    store.redraw()
  })
  const ticking = setInterval(() => {
    store.tick()
  }, tickMs)
  const stopSpend = followSpend(store, options.spendToday)
  try {
    source.start({
      onMessage: (msg, origin) => {
        store.apply(msg, origin)
      },
      onStatus: (text) => {
        store.setSourceStatus(text)
      },
      onEnd: () => {
        store.end()
      },
    })
    const result = await Promise.race([instance.waitUntilExit(), gone.promise])
    return result === quitResult ? 'quit' : 'ended'
  } finally {
    clearInterval(ticking)
    stopSpend()
    stopRepainting()
    source.close()
    instance.unmount()
    await Promise.race([instance.waitUntilExit(), gone.promise])
    gone.stop()
  }
}

function openStore(options: ViewerOptions): ViewerStore {
  const { source, stdout, preferences, onPreferences, initialFilter } = options
  return new ViewerStore({
    clock: createSystemClock(),
    schedule: (task, delayMs) => setTimeout(task, delayMs),
    // What a slow line has not taken yet is not added to.
    isBlocked: () => stdout.writableNeedDrain,
    allow: source.allow?.bind(source),
    load: source.load?.bind(source),
    limits: options.limits ?? viewLimits,
    preferences,
    onPreferences,
    initialFilter,
    copy: (sequence) => stdout.write(sequence),
    exportCall: options.exportCall,
  })
}

function themeOf({ noColor, isAscii }: ViewerOptions): Theme {
  return { ...(noColor === true ? plainTheme : colorTheme), isAscii: isAscii === true }
}

/** CUP and ED (ECMA-48): from the first cell on. */
const eraseScreen = '\u001B[H\u001B[J'
/** A window that is dragged sends many sizes: the picture is made whole after the last. */
const settledMs = 60

/**
 * Ink draws what changed since its last frame, but a terminal moves and cuts lines by itself when it
 * is resized, before anybody hears of it: what stands there then is nothing to build on.
 */
function repaintAfterResize(
  { stdout, onTerminalMoved }: ViewerOptions,
  repaint: () => void,
): () => void {
  let timer: NodeJS.Timeout | undefined
  const onResize = (): void => {
    clearTimeout(timer)
    timer = setTimeout(repaint, settledMs)
  }
  stdout.on('resize', onResize)
  const stop = onTerminalMoved?.(onResize)
  return () => {
    clearTimeout(timer)
    stdout.off('resize', onResize)
    stop?.()
  }
}

/** Asks now and then; what cannot be told is not shown. */
function followSpend(store: ViewerStore, spendToday: ViewerOptions['spendToday']): () => void {
  if (spendToday === undefined) return () => {}
  const look = async (): Promise<void> => {
    const spend = await spendToday().catch(() => undefined)
    store.setSpentToday(spend)
  }
  void look()
  const timer = setInterval(() => void look(), spendMs)
  return () => {
    clearInterval(timer)
  }
}

/** Settles when the terminal can no longer be read or written. */
function watchTerminal({ stdin, stdout }: ViewerOptions): {
  readonly promise: Promise<'gone'>
  stop(): void
} {
  const { promise, resolve } = Promise.withResolvers<'gone'>()
  const onGone = (): void => {
    resolve('gone')
  }
  stdin.on('end', onGone).on('close', onGone).on('error', onGone)
  stdout.on('close', onGone).on('error', onGone)
  return {
    promise,
    stop() {
      stdin.off('end', onGone).off('close', onGone).off('error', onGone)
      stdout.off('close', onGone)
      // The error listener stays: a write that is still queued may fail after the viewer ended.
    },
  }
}
