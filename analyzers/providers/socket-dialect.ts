/**
 * What a WebSocket that carries model calls must say for itself: which messages of the client ask
 * for a response, and to which response a message of the server belongs. A dialect holds the state
 * of one socket; telling the calls apart and timing them is the analyzer's part.
 */
import type { JsonRecord } from '../wire/json.ts'
import type { AnswerReading, CallReading } from './model-wire.ts'
import type { StreamFormat } from './stream-format.ts'

/** A response that the client asks for. */
export interface Asked {
  readonly operation: string
  readonly reading: CallReading
  /** Responses of different lanes may overlap; those of one lane follow each other. */
  readonly lane: string
  /** By which an error may name this request. */
  readonly eventId?: string | undefined
  /** What is under way in its lane has ended: it waited for what this request brings. */
  readonly endsOpen?: boolean
}

/** What a message of the server means for the calls. */
export interface Heard {
  readonly lane: string
  /** Id of the response it belongs to, where it names one. */
  readonly responseId?: string | undefined
  /** `is-whole`: this message begins the response and ends it. */
  readonly phase: 'begins' | 'goes-on' | 'ends' | 'is-whole' | 'fails'
  /** Of a failure: the request that it names. */
  readonly eventId?: string | undefined
  /** Of a failure that names no request: it is of one whose response has not begun. */
  readonly isOfWaiting?: boolean
}

export interface SocketDialect {
  readonly stream: StreamFormat
  /** Whether its JSON comes in binary messages too. */
  readonly readsBinary?: boolean
  /** Takes a message of the client; it asks for a response, or only changes what the next one sees. */
  sent(message: JsonRecord): Asked | undefined
  /** Takes a message of the server; undefined if it belongs to no response. */
  heard(message: JsonRecord): Heard | undefined
  /** The call behind a response that nobody was seen asking for. */
  unasked(message: JsonRecord): Asked
  /** The call that a socket stands for which the server closed before any was made of it. */
  unanswered?(): Asked | undefined
  readAnswer(body: JsonRecord): AnswerReading
}
