/**
 * A refusal that comes up after a request was judged: thrown by what transforms its body or its
 * messages. The client is told, if it has heard nothing yet; what was sent so far is cut off.
 */
import type { Refusal } from './analyzer.ts'

export class RequestRefused extends Error {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.message)
    this.name = 'RequestRefused'
    this.refusal = refusal
  }
}
