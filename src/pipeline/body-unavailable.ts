/** Why an inline analyzer does not get the body it asked for; a refusal unless somebody catches it. */

export class BodyUnavailable extends Error {
  override readonly name = 'BodyUnavailable'
  /** 413: longer than asked for; 408: it did not come to its end; 503: too many are being held. */
  readonly status: 408 | 413 | 503
  /** Machine-readable, kebab-case. */
  readonly reason: 'body-too-large' | 'body-incomplete' | 'bodies-waiting'

  constructor(
    status: BodyUnavailable['status'],
    reason: BodyUnavailable['reason'],
    message: string,
  ) {
    super(message)
    this.status = status
    this.reason = reason
  }
}
