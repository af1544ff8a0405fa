/** The package has no types of its own: what of it is used here. */
declare module 'har-validator' {
  /** Rejects with an error that lists what is wrong. */
  export function har(data: unknown): Promise<unknown>
}
