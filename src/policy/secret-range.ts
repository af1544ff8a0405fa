/** Where a secret stands in content, one character per byte. */

export interface SecretRange {
  readonly start: number
  readonly end: number
  /** Where that begins by which it was known, such as the name of its field. */
  readonly from: number
  /** Set where it is one of the values that were known: the value as it stands there. */
  readonly known?: string
  /** Set where it is the value of a stored secret, unless `known` says more. */
  readonly secretId?: string
  /** Set where the text ends within it: what closes it. */
  readonly open?: OpenSecret
}

/** How far a secret goes on in what follows. */
export type OpenSecret =
  | { readonly kind: 'token' }
  /** A JSON string; `depth` counts the backslashes before its quotes. */
  | { readonly kind: 'string'; readonly depth: number }
  /** To the next `&`. */
  | { readonly kind: 'form' }
