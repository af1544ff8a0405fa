/** What a miss is called: one line, safe to print, for the operator and for the client alike. */
import { visibleLine } from '../base/visible-text.ts'
import type { Miss, Place } from './recording-library.ts'
import type { Recording } from './recording.ts'

/** Places named where nothing was recorded for the one that was asked for. */
const namedPlaces = 3

export function describeMiss(
  miss: Miss & { readonly place: Place },
  recordings: readonly Recording[],
): string {
  const { nearest, place, reason } = miss
  const asked = placeText(place)
  if (nearest === undefined) return `${asked}: not recorded; ${nearPlaces(place, recordings)}`
  const name = `recording ${visibleLine(nearest.id)}`
  switch (reason) {
    case 'unservable': {
      const why = nearest.answer.kind === 'unservable' ? nearest.answer.why : ''
      return `${asked}: ${name} cannot be served: ${why}`
    }
    case 'used-up':
      return `${asked}: asked more often than it was recorded (${name} was the first)`
    case 'not-recorded':
    case 'differs':
      return `${asked}: nearest is ${name}${differenceText(miss)}${unservedText(nearest)}`
  }
}

function differenceText({ difference, differences }: Miss): string {
  if (difference === undefined) return ''
  const more = differences > 1 ? ` (and ${differences - 1} more)` : ''
  const { path, recorded = 'nothing', asked = 'nothing' } = difference
  return `, which differs in ${path}: recorded ${recorded}, asked ${asked}${more}`
}

/** The nearest may be one that no request could have been answered with. */
function unservedText({ answer }: Recording): string {
  return answer.kind === 'unservable' ? `; it could not be served either: ${answer.why}` : ''
}

function placeText({ method, host, path }: Place): string {
  return visibleLine(`${method.slice(0, 20)} ${host ?? ''}${path.slice(0, 200)}`)
}

function nearPlaces({ path }: Place, recordings: readonly Recording[]): string {
  const known = new Map(
    recordings.map((recording) => [
      `${recording.method} ${recording.host}${recording.path}`,
      commonStart(recording.path, path),
    ]),
  )
  if (known.size === 0) return 'the capture holds no request'
  const names = [...known].sort(([, a], [, b]) => b - a).map(([name]) => name.slice(0, 200))
  const rest = names.length > namedPlaces ? ', …' : ''
  return visibleLine(`recorded are ${names.slice(0, namedPlaces).join(', ')}${rest}`)
}

function commonStart(a: string, b: string): number {
  let length = 0
  while (length < a.length && a[length] === b[length]) length += 1
  return length
}
