/** What the demo's program does, whichever client library does it. */

export type Write = (text: string) => void

/** Each call writes its answer as it comes, without a line end, and throws if there is none. */
export interface DemoCalls {
  /** `with …`: which clients make the calls. */
  readonly description: string
  chatStream(write: Write): Promise<void>
  responsesStream(write: Write): Promise<void>
  embeddings(write: Write): Promise<void>
  /** Writes the provider's error. */
  missingModel(write: Write): Promise<void>
  messagesStream(write: Write): Promise<void>
}

/** `1536 dimensions` of an embedding, be it numbers or base64 of little-endian float32. */
export function describeVector(embedding: unknown): string {
  if (Array.isArray(embedding)) return `${embedding.length} dimensions`
  if (typeof embedding !== 'string') throw new Error('no embedding in the answer')
  return `${Buffer.from(embedding, 'base64').length / 4} dimensions`
}
