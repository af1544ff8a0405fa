/**
 * Requests of a provider's interface that are no model calls, for they run none (files, batches,
 * stored objects) or one that nobody can read (an endpoint of one's own): each is told as one
 * `operation-performed` when its exchange ends, without tokens or a price.
 * It reads what `HttpParser` before it emits; of an answer that was cut off it tells the status only.
 */
import type { AnalysisMsg, MsgOf } from '../src/messages/schema.ts'
import type { Analyzer, Emit } from '../src/pipeline/analyzer.ts'
import { readFailure } from './providers/failure.ts'
import type { CallTarget } from './providers/model-wire.ts'
import { optional } from './providers/model-wire.ts'
import type { Operation } from './providers/openai-operations.ts'
import { factsOf, recognizeOperation } from './providers/openai-operations.ts'
import { providerOf } from './providers/provider-hosts.ts'
import { dialectOf, recognizeCall, targetOf } from './providers/recognize.ts'
import { recognizeVendorOperation } from './providers/vendor-operations.ts'
import { ExchangeStates } from './wire/exchange-states.ts'
import { isRecord } from './wire/json.ts'

interface Exchange {
  readonly operation: Operation
  readonly provider: string
  response?: MsgOf<'response-started'>
  refused?: MsgOf<'request-refused'>
  sent?: MsgOf<'http-parsed'>
  parsed?: MsgOf<'http-parsed'>
}

const kinds = [
  'request-started',
  'request-refused',
  'response-started',
  'http-parsed',
  'exchange-completed',
  'exchange-failed',
] as const

export class ApiOperations implements Analyzer {
  readonly name = 'api-operations'
  readonly kinds = kinds
  readonly #exchanges = new ExchangeStates<Exchange>()

  onMessage(msg: AnalysisMsg, emit: Emit): void {
    if (msg.kind === 'request-started') {
      this.#start(msg)
      return
    }
    const exchange = this.#exchanges.get(msg.exchangeId)
    if (exchange === undefined) return
    switch (msg.kind) {
      case 'response-started':
        exchange.response = msg
        break
      case 'request-refused':
        exchange.refused = msg
        break
      case 'http-parsed':
        exchange[msg.direction === 'request' ? 'sent' : 'parsed'] = msg
        break
      case 'exchange-completed':
      case 'exchange-failed':
        this.#exchanges.take(msg.exchangeId)
        tell(exchange, msg, emit)
        break
      default:
    }
  }

  #start({ method, host, url, exchangeId }: MsgOf<'request-started'>): void {
    if (exchangeId === undefined) return
    const target: CallTarget = targetOf(host, url)
    if (recognizeCall(method, target) !== undefined) return
    // An upgrade that was refused lists nothing.
    if (method === 'GET' && dialectOf(target) !== undefined) return
    const operation = recognizeVendorOperation(method, target) ?? recognizeOperation(method, target)
    if (operation === undefined) return
    this.#exchanges.set(exchangeId, { operation, provider: providerOf(host) })
  }
}

function tell(
  { operation, provider, response, refused, sent, parsed }: Exchange,
  end: MsgOf<'exchange-completed'> | MsgOf<'exchange-failed'>,
  emit: Emit,
): void {
  const failure = readFailure({ end, refused, response, parsed, merged: undefined })
  // Contents of files are no JSON, and a deletion may answer with nothing: neither is a failure.
  const isPlain = failure?.type === 'unreadable-answer' || failure?.type === 'no-answer'
  const error = isPlain && end.kind === 'exchange-completed' ? undefined : failure
  emit({
    kind: 'operation-performed',
    provider,
    operation: operation.name,
    subjects: [...operation.subjects],
    ...optional('status', response?.status ?? refused?.status ?? end.status),
    facts: [...formFacts(sent), ...(isRecord(parsed?.json) ? factsOf(parsed.json) : [])],
    durationMs: end.durationMs,
    complete: error === undefined,
    ...optional('error', error),
  })
}

/** Which file was sent. */
function formFacts(sent: MsgOf<'http-parsed'> | undefined): Array<{ name: string; value: string }> {
  return (sent?.form ?? [])
    .filter(({ filename }) => filename !== undefined)
    .slice(0, maxFiles)
    .map(({ name = '', filename = '', mediaType, bytes }) => ({
      name: `sent ${name.slice(0, maxText)}`,
      value: [filename.slice(0, maxText), mediaType, bytes === undefined ? bytes : `${bytes} bytes`]
        .filter((piece) => piece !== undefined)
        .join(', '),
    }))
}

const maxFiles = 8
const maxText = 200
