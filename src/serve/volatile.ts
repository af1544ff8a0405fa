/**
 * What differs between two runs of one program although it asks the same: ids, times, names of
 * users and sessions. Tables and patterns only; where they apply is decided in `canonical-body.ts`.
 */

/** Fields left out of the comparison wherever they hold no object or list. */
export const volatileNames: ReadonlySet<string> = new Set([
  'client_request_id',
  'created_at',
  'createdAt',
  'device_id',
  'idempotency_key',
  'installation_id',
  'message_id',
  'nonce',
  'request_id',
  'requestId',
  'sent_at',
  'session_id',
  'sessionId',
  'span_id',
  'spanId',
  'timestamp',
  'trace_id',
  'traceId',
  'user_id',
  'userId',
  'user_prompt_id',
])

/**
 * Left out with all they hold. OpenAI: `metadata`, `user`, `safety_identifier`, `prompt_cache_key`,
 * `client_metadata` (Codex); Anthropic: `metadata`; Vertex AI: `labels`; Gemini Code Assist:
 * `project`.
 */
export const volatilePaths = [
  '$.metadata',
  '$.client_metadata',
  '$.user',
  '$.safety_identifier',
  '$.prompt_cache_key',
  '$.labels',
  '$.project',
] as const

/** Fields that hold the system prompt, at the top or one below it. */
export const systemFields: ReadonlySet<string> = new Set([
  'system',
  'instructions',
  'systemInstruction',
  'system_instruction',
  'preamble',
])
export const systemRoles: ReadonlySet<unknown> = new Set(['system', 'developer'])

/** Blocks by which agents tell of their surroundings in the words of the user. */
const surroundingTags = ['system-reminder', 'environment_context', 'environment_details', 'env']

const month = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}'
const weekday = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}'
const patterns: ReadonlyArray<readonly [RegExp, string]> = [
  [/\b[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}\b/giu, '<id>'],
  [
    /\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?/gu,
    '<date>',
  ],
  [/\b\d{1,4}\/\d{1,2}\/\d{1,4}\b/gu, '<date>'],
  [
    new RegExp(
      `\\b(?:${weekday},? )?(?:${month}\\.? \\d{1,2}(?:st|nd|rd|th)?|\\d{1,2} ${month}),? \\d{4}\\b`,
      'gu',
    ),
    '<date>',
  ],
  [new RegExp(`\\b${weekday}\\b`, 'gu'), '<date>'],
  [/\b\d{1,2}:\d{2}(?::\d{2})?(?: ?[AP]M)?\b/gu, '<time>'],
  [/\b1[5-9]\d{8}(?:\d{3})?\b/gu, '<time>'],
]
const wholeId = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/iu

/** A text with what is volatile in it replaced; of words of the user, within such blocks only. */
export function maskVolatileText(text: string, isSystem: boolean): string {
  if (isSystem) return maskPatterns(text)
  if (wholeId.test(text)) return '<id>'
  return text.includes('<') ? surroundingTags.reduce(maskBlocks, text) : text
}

function maskPatterns(text: string): string {
  return patterns.reduce((masked, [pattern, name]) => masked.replaceAll(pattern, name), text)
}

function maskBlocks(text: string, tag: string): string {
  const [open, close] = [`<${tag}>`, `</${tag}>`]
  let out = ''
  let at = 0
  for (let start = text.indexOf(open); start !== -1; start = text.indexOf(open, at)) {
    const end = text.indexOf(close, start)
    if (end === -1) break
    out += text.slice(at, start) + maskPatterns(text.slice(start, end))
    at = end
  }
  return at === 0 ? text : out + text.slice(at)
}
