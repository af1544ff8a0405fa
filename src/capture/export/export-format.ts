/** The formats that exchanges can be exported to, and what each of them is good for. */

export const exportFormats = {
  har: 'HTTP Archive 1.2, for browsers’ network tools and other analyzers',
  jsonl: 'a capture with the chosen exchanges alone',
  curl: 'a shell command for each request',
  markdown: 'the conversations, to read',
} as const

export type ExportFormat = keyof typeof exportFormats

/** Where the values of masked credentials may be had. */
export interface SecretSource {
  /** The whole value of a header field, configured for the host of `url`. */
  field(url: string, header: string): string | undefined
  /** The value of an environment variable, for a request to `url`. */
  variable(url: string, name: string): string | undefined
}

export interface ExportOptions {
  /** Porthole's version: HAR and captures name their maker. */
  readonly porthole: string
  /** For `curl`, in the place of references to environment variables. */
  readonly secrets?: SecretSource | undefined
}
