/**
 * The small part of JSONPath (RFC 9535) that names fields to be left out of a comparison: names,
 * indices, `*`, and `..name` for any depth. Filters, slices and functions are refused by name.
 */
import { AppError } from '../base/errors.ts'

interface Step {
  /** Undefined stands for `*`. */
  readonly key: string | number | undefined
  /** At any depth below, not only the next. */
  readonly isDeep: boolean
}

/** At least one step. */
export type JsonPath = readonly Step[]

const step =
  /(?<dots>\.\.?)(?:(?<name>[\w$-]+)|(?<all>\*))|\[(?:(?<index>\d{1,9})|(?<any>\*)|'(?<single>[^'\]]+)'|"(?<double>[^"\]]+)")\]/uy

/** `$.a.b[0]`, `$..name`; the `$.` at its beginning may be left out. Throws `ERR_USAGE`. */
export function parseJsonPath(text: string): JsonPath {
  const trimmed = text.trim()
  const rest = trimmed.startsWith('$') ? trimmed.slice(1) : `.${trimmed}`
  const steps: Step[] = []
  step.lastIndex = 0
  while (step.lastIndex < rest.length) {
    const groups = step.exec(rest)?.groups
    if (groups === undefined) break
    const key = groups['name'] ?? groups['single'] ?? groups['double']
    const index = groups['index'] === undefined ? undefined : Number(groups['index'])
    steps.push({ key: key ?? index, isDeep: groups['dots'] === '..' })
  }
  // A failed match sets it back to 0.
  if (steps.length > 0 && step.lastIndex === rest.length) return steps
  throw new AppError('ERR_USAGE', {
    problem: `not a JSON path: ${JSON.stringify(text.slice(0, 100))}`,
    next: 'write it as $.metadata, $.messages[0].content, $.input[*].id or $..name',
  })
}

/** A path that has matched as far as `next`. */
export interface PathState {
  readonly path: JsonPath
  readonly next: number
}

export function beginPaths(paths: readonly JsonPath[]): readonly PathState[] {
  return paths.map((path) => ({ path, next: 0 }))
}

/** The states for the value at `key` of the value that `states` stand for; `isEnd`: one is named. */
export function followPaths(
  states: readonly PathState[],
  key: string | number,
): { readonly states: readonly PathState[]; readonly isEnd: boolean } {
  if (states.length === 0) return { states, isEnd: false }
  const following: PathState[] = []
  let isEnd = false
  for (const state of states) {
    const wanted = state.path[state.next]
    if (wanted === undefined) continue
    if (wanted.isDeep) following.push(state)
    if (wanted.key !== undefined && wanted.key !== key) continue
    if (state.next + 1 === state.path.length) isEnd = true
    else following.push({ path: state.path, next: state.next + 1 })
  }
  return { states: following, isEnd }
}
