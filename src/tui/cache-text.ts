/** What the verdict about the prompt cache means, in a sentence. */
import type { CallLink } from '../messages/schema.ts'

type Cache = CallLink['cache']

const reasons: Readonly<Record<NonNullable<Cache['reason']>, string>> = {
  'first-call': 'the first call of its branch: nothing was there to be read',
  'not-requested': 'the request does not ask for caching',
  'below-minimum': 'the prompt is shorter than what this provider caches',
  'model-changed': 'the model changed, and each model has a cache of its own',
  'tools-changed':
    'the tools changed; they come before all messages, so nothing after them matched',
  'system-changed': 'the system prompt changed, so nothing after it matched',
  'message-changed': 'an earlier message changed or is gone, so nothing after it matched',
  expired: 'more time passed than the cache keeps its entries',
  'maybe-expired': 'so much time passed that the entry may have expired',
  'previous-unfinished': 'the call before it had not ended when this one began',
  'previous-not-cached': 'the call before it left nothing in the cache',
  'no-usage': 'the answer reports no usage',
  'no-cache-counts': 'the answer reports no counts of cached tokens',
  unknown: 'nothing in the messages explains it',
}

const verdicts: Readonly<Record<Cache['verdict'], string>> = {
  hit: 'all that could be read from the cache was',
  partial: 'less was read than the call before had left',
  miss: 'nothing was read from the cache',
  unknown: 'whether the cache was used cannot be told',
}

export function cacheReasonText({ verdict, reason }: Cache): string {
  return reason === undefined ? verdicts[verdict] : `${verdicts[verdict]}: ${reasons[reason]}`
}
