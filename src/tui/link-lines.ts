/** Where a call stands in its conversation, as lines of the Conversation tab. */
import type { CallLink } from '../messages/schema.ts'
import { heading, textLines } from './block.ts'
import { formatCount, formatDuration, safeLine } from './format.ts'
import type { Line } from './line.ts'

/** Tool results named one by one; the rest is counted. */
const namedResults = 8

export function linkLines(link: CallLink, width: number): Line[] {
  return [
    heading('place', width, placeText(link)),
    ...[attemptText(link), changeText(link), cacheText(link), ...resultTexts(link)]
      .filter((text) => text !== '')
      .flatMap((text) => textLines(text, width)),
  ]
}

function placeText({ sessionId, turn, branch, parentExchangeId }: CallLink): string {
  const below = parentExchangeId === undefined ? '' : ` of ${safeLine(parentExchangeId, 64)}`
  return `session ${safeLine(sessionId, 64)} · turn ${formatCount(turn)} · ${branch}${below}`
}

function attemptText({ attempt, retryOf }: CallLink): string {
  if (attempt <= 1) return ''
  const of = retryOf === undefined ? '' : ` after ${safeLine(retryOf, 64)}`
  return `attempt ${formatCount(attempt)}${of}`
}

function changeText(link: CallLink): string {
  const { sharedMessages, previousExchangeId, changed, changedMessage } = link
  if (previousExchangeId === undefined) return ''
  const shared =
    sharedMessages === undefined ? 'messages' : `${formatCount(sharedMessages)} messages`
  const words = changed.map((change) =>
    change === 'message' && changedMessage !== undefined
      ? `message ${formatCount(changedMessage)}`
      : change,
  )
  const what = words.length === 0 ? 'nothing' : words.join(', ')
  const kept = sharedMessages === undefined ? '' : `shares ${shared} with`
  return `${kept === '' ? 'follows' : kept} ${safeLine(previousExchangeId, 64)} · changed: ${what}`
}

function cacheText({ cache }: CallLink): string {
  const why = cache.reason === undefined ? '' : ` (${cache.reason.replaceAll('-', ' ')})`
  const expected =
    cache.expectedTokens === undefined
      ? ''
      : ` · ${formatCount(cache.expectedTokens)} tokens could have been read`
  return `cache ${cache.verdict}${why}${cache.verdict === 'hit' ? '' : expected}`
}

function resultTexts({ toolResults }: CallLink): string[] {
  const named = toolResults.slice(0, namedResults).map((result) => {
    const name = safeLine(result.name ?? result.id ?? 'a tool', 64)
    const from = result.calledBy === undefined ? '' : ` called by ${safeLine(result.calledBy, 64)}`
    const waited = result.waitedMs === undefined ? '' : `, ${formatDuration(result.waitedMs)}`
    return `brings ${name}${from}${waited}${result.isError === true ? ', failed' : ''}`
  })
  const rest = toolResults.length - named.length
  return rest > 0 ? [...named, `and ${formatCount(rest)} more results`] : named
}
