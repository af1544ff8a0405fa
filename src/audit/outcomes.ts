/**
 * How exchanges and tunnels ended, gathered from the messages about them. Heads and ends are never
 * dropped by the pipeline, so that each has one outcome; what analysis had to drop makes tokens and
 * cost unknown, not wrong. Refused ones have none: the decision says all there is. Pure and bounded.
 */
import type { AnalysisMsg, MsgOf } from '../messages/schema.ts'
import { sentTokens } from '../messages/sent-tokens.ts'
import type { Outcome } from '../policy/decision-log.ts'

interface Running {
  readonly secrets: Set<string>
  readonly models: Set<string>
  tokensReplaced: number
  tokensStripped: number
  isRefused: boolean
  status: number | undefined
  bytesUp: number | undefined
  bytesDown: number | undefined
  called: number
  answered: number
  /** Undefined as soon as one call's are not known. */
  inputTokens: number | undefined
  outputTokens: number | undefined
  usd: number | undefined
  end: Outcome | undefined
}

/** Exchanges that run at a time; beyond, the oldest is told as it is then. */
const mostRunning = 16_384

export class OutcomeGatherer {
  readonly #tell: (outcome: Outcome) => void
  readonly #running = new Map<string, Running>()
  /** Ended, with answers still to come. */
  readonly #ending = new Set<string>()

  constructor(tell: (outcome: Outcome) => void) {
    this.#tell = tell
  }

  /** Whether ended exchanges wait for what analysis makes of them: `settle` ends that. */
  get isWaiting(): boolean {
    return this.#ending.size > 0
  }

  add(msg: AnalysisMsg): void {
    const { exchangeId } = msg
    if (exchangeId === undefined) return
    switch (msg.kind) {
      case 'request-started':
        this.#start(exchangeId)
        return
      case 'tunnel-closed':
        this.#tell(outcomeOfTunnel(msg, exchangeId))
        return
      // The many that say nothing here, first of all.
      case 'request-body':
      case 'response-body':
      case 'sse-event':
      case 'http-parsed':
        return
      default:
    }
    const running = this.#running.get(exchangeId)
    if (running === undefined) return
    if (msg.kind === 'exchange-completed' || msg.kind === 'exchange-failed') {
      this.#end(exchangeId, running, msg)
      return
    }
    take(running, msg)
    const isLast = msg.kind === 'model-answered' && running.answered >= running.called
    if (isLast && running.end !== undefined) this.#finish(exchangeId, running)
  }

  /** Tells what has ended, whatever may still come of it. */
  settle(): void {
    for (const exchangeId of this.#ending) {
      const running = this.#running.get(exchangeId)
      if (running !== undefined) this.#finish(exchangeId, running)
    }
  }

  #start(exchangeId: string): void {
    this.#running.set(exchangeId, newRunning())
    const [oldest] = this.#running.keys()
    if (this.#running.size > mostRunning && oldest !== undefined) {
      this.#running.delete(oldest)
      this.#ending.delete(oldest)
    }
  }

  #end(
    exchangeId: string,
    running: Running,
    msg: MsgOf<'exchange-completed'> | MsgOf<'exchange-failed'>,
  ): void {
    if (running.isRefused) {
      this.#running.delete(exchangeId)
      return
    }
    const isFailed = msg.kind === 'exchange-failed'
    if (!isFailed) {
      running.bytesUp = msg.requestBytes
      running.bytesDown = msg.responseBytes
    }
    running.end = {
      connectionId: msg.connectionId,
      exchangeId,
      agent: msg.agent,
      status: msg.status ?? running.status,
      durationMs: msg.durationMs,
      models: [],
      secrets: [],
      tokensReplaced: 0,
      tokensStripped: 0,
      error: isFailed ? msg.code : undefined,
    }
    // Analysis answers a call after its exchange has ended, where that ended it.
    if (running.called > running.answered) this.#ending.add(exchangeId)
    else this.#finish(exchangeId, running)
  }

  #finish(exchangeId: string, running: Running): void {
    this.#running.delete(exchangeId)
    this.#ending.delete(exchangeId)
    const { end, secrets, models, answered } = running
    if (end === undefined) return
    const { bytesUp, bytesDown, tokensReplaced, tokensStripped } = running
    const hasAnswer = answered > 0
    this.#tell({
      ...end,
      bytesUp,
      bytesDown,
      inputTokens: hasAnswer ? running.inputTokens : undefined,
      outputTokens: hasAnswer ? running.outputTokens : undefined,
      usd: hasAnswer ? running.usd : undefined,
      models: [...models],
      secrets: [...secrets],
      tokensReplaced,
      tokensStripped,
    })
  }
}

function newRunning(): Running {
  return {
    secrets: new Set(),
    models: new Set(),
    tokensReplaced: 0,
    tokensStripped: 0,
    isRefused: false,
    status: undefined,
    bytesUp: undefined,
    bytesDown: undefined,
    called: 0,
    answered: 0,
    inputTokens: 0,
    outputTokens: 0,
    usd: 0,
    end: undefined,
  }
}

function outcomeOfTunnel(msg: MsgOf<'tunnel-closed'>, exchangeId: string): Outcome {
  const { connectionId, agent, bytesUp, bytesDown, durationMs } = msg
  const error = msg.code ?? msg.error
  const nothing = { models: [], secrets: [], tokensReplaced: 0, tokensStripped: 0 }
  return { connectionId, exchangeId, agent, bytesUp, bytesDown, durationMs, error, ...nothing }
}

function take(running: Running, msg: AnalysisMsg): void {
  switch (msg.kind) {
    case 'request-refused':
      running.isRefused = true
      break
    case 'credential-injected':
      running.secrets.add(msg.secretId)
      break
    case 'token-replaced':
      running.secrets.add(msg.secretId)
      running.tokensReplaced += 1
      break
    case 'token-stripped':
      running.tokensStripped += 1
      break
    case 'request-ended':
      running.bytesUp = msg.bytes
      break
    case 'response-started':
      running.status = msg.status
      break
    case 'response-ended':
      running.bytesDown = msg.bytes
      break
    case 'model-called':
      running.called += 1
      break
    case 'model-answered':
      takeAnswer(running, msg)
      break
    default:
  }
}

function takeAnswer(running: Running, { model, usage, cost }: MsgOf<'model-answered'>): void {
  running.answered += 1
  if (model !== undefined) running.models.add(model)
  running.inputTokens = sum(
    running.inputTokens,
    usage === undefined ? undefined : sentTokens(usage),
  )
  running.outputTokens = sum(running.outputTokens, usage?.outputTokens)
  running.usd = sum(running.usd, cost?.usd)
}

function sum(left: number | undefined, right: number | undefined): number | undefined {
  return left === undefined || right === undefined ? undefined : left + right
}
