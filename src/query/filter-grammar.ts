/**
 * The words of the filter language, as data: the parser, the help screen and `README.md` of this
 * folder are made from these tables. Names and meanings that mitmproxy has too are its own.
 */

export const flagAtoms = {
  all: 'everything',
  q: 'requests without a response (yet)',
  s: 'what has a response',
  e: 'errors: no answer, a status from 400 on, an error in the answer, a refusal',
  err: 'the same as ~e',
  http: 'requests of any kind: not tunnels, refused connections, failed handshakes',
  websocket: 'WebSockets',
  tunnel: 'tunnels: what passed unread',
} as const

export const textAtoms = {
  u: 'the URL',
  d: 'the host, with its port where that is not the usual one',
  m: 'the method',
  h: 'a header line, “name: value”, of request or response',
  hq: 'a header line of the request',
  hs: 'a header line of the response',
  b: 'the body of request or response',
  bq: 'the body of the request',
  bs: 'the body of the response',
  t: 'the content type of request or response',
  tq: 'the content type of the request',
  ts: 'the content type of the response',
  provider: 'the provider: openai, anthropic, …',
  model: 'the model',
  tool: 'the name of a tool that the answer calls',
  agent: 'the agent',
  session: 'the id of the session: Porthole’s own, or the client’s',
  stop: 'why the answer ended: stop, tool_use, length, …',
  op: 'the operation: chat, messages, embeddings, files.create, tools/call, …',
  kind: 'the kind: call, api, mcp, http, tunnel, refused or tls',
} as const

export const numberAtoms = {
  c: 'the status',
  cost: 'the cost in dollars',
  tokens: 'tokens, input and output together: 500, 10k, 1.5M',
  ttft: 'the time to the first token: 250ms, 3s, 1m',
  dur: 'the duration: 250ms, 3s, 1m, 1h',
} as const

export const cacheVerdicts = ['hit', 'partial', 'miss', 'unknown'] as const

export type FlagAtom = keyof typeof flagAtoms
export type TextAtom = keyof typeof textAtoms
export type NumberAtom = keyof typeof numberAtoms
export type CacheVerdict = (typeof cacheVerdicts)[number]

/** Longest first: the parser takes the first that fits. */
export const comparisons = ['>=', '<=', '!=', '==', '>', '<', '='] as const
export type Comparison = '>=' | '<=' | '!=' | '>' | '<' | '='

/** Every name that may follow a `~`. */
export const atomNames: readonly string[] = [
  ...Object.keys(flagAtoms),
  ...Object.keys(textAtoms),
  ...Object.keys(numberAtoms),
  'cache',
]

export interface GrammarRow {
  readonly syntax: string
  readonly meaning: string
}

/** What a user may write, in the order in which it is best read. */
export const filterGrammar: readonly GrammarRow[] = [
  {
    syntax: 'REGEX',
    meaning: 'any of: URL, method, host, provider, model, agent, stop reason, prompt and answer',
  },
  ...Object.entries(textAtoms).map(([name, meaning]) => ({ syntax: `~${name} REGEX`, meaning })),
  { syntax: '~c CODE', meaning: 'the status; a comparison may stand before it: ~c >= 500' },
  ...Object.entries(numberAtoms)
    .filter(([name]) => name !== 'c')
    .map(([name, meaning]) => ({ syntax: `~${name} > NUMBER`, meaning })),
  {
    syntax: `~cache ${cacheVerdicts.join('|')}`,
    meaning: 'what came of the prompt cache; several verdicts with | between them',
  },
  ...Object.entries(flagAtoms).map(([name, meaning]) => ({ syntax: `~${name}`, meaning })),
  { syntax: '!', meaning: 'not; binds tightest' },
  { syntax: '&', meaning: 'and' },
  { syntax: '|', meaning: 'or, with a space before it: within a word it belongs to the REGEX' },
  { syntax: 'A B', meaning: 'and, once more; binds loosest: a | b c means (a | b) & c' },
  { syntax: '( )', meaning: 'what belongs together' },
  {
    syntax: '"REGEX" or \'REGEX\'',
    meaning: 'a REGEX with spaces, parentheses, ~ or quotes in it; \\" stands for the quote',
  },
]
