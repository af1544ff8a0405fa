/**
 * The calls of one session in the order in which they are read: turn by turn, and under a call the
 * lanes of the sub-agents that it started. Made anew when the session changes, not with each frame.
 */
import type { RowList } from './row-list.ts'
import type { Row } from './row.ts'
import type { Branch, Session, SessionCall } from './sessions.ts'

export type SessionItem =
  | { readonly kind: 'turn'; readonly turn: number; readonly calls: number; readonly first: Row }
  | {
      readonly kind: 'lane'
      readonly depth: number
      readonly branch: Branch
      readonly rows: readonly Row[]
    }
  | {
      readonly kind: 'call'
      readonly depth: number
      readonly row: Row
      readonly lane: Branch['kind']
    }

/** Lanes within lanes; deeper ones are drawn at this depth. */
export const maxDepth = 8

export function sessionItems(session: Session): readonly SessionItem[] {
  const known = made.get(session)
  if (known?.version === session.version) return known.items
  const items = new TreeMaker(session).make()
  made.set(session, { version: session.version, items })
  return items
}

const made = new WeakMap<
  Session,
  { readonly version: number; readonly items: readonly SessionItem[] }
>()

/** The calls among the items, in their order. */
export function callsOf(session: Session): RowList {
  const items = sessionItems(session)
  const known = lists.get(items)
  if (known !== undefined) return known
  const rows = items.flatMap((item) => (item.kind === 'call' ? [item.row] : []))
  const list: RowList = {
    rows,
    followIndex: rows.length - 1,
    indexOf: (id) => rows.findIndex((row) => row.id === id),
  }
  lists.set(items, list)
  return list
}

const lists = new WeakMap<readonly SessionItem[], RowList>()

class TreeMaker {
  readonly #session: Session
  readonly #items: SessionItem[] = []
  /** Branches of sub-agents by the exchange that started them, and those that nothing names. */
  readonly #children = new Map<string, Branch[]>()
  readonly #calls = new Map<string, SessionCall[]>()
  readonly #drawn = new Set<Branch>()

  constructor(session: Session) {
    this.#session = session
    for (const call of [...session.kept.values()].toSorted(byTime))
      append(this.#calls, call.branchId, call)
    for (const branch of session.branches.values()) {
      if (isNested(branch)) append(this.#children, branch.parentExchangeId ?? '', branch)
    }
  }

  make(): readonly SessionItem[] {
    const { branches } = this.#session
    for (const { turn, calls } of turnsOf(this.#top(), branches)) {
      const [first] = calls
      if (turn !== undefined && first !== undefined) {
        this.#items.push({ kind: 'turn', turn, calls: calls.length, first: first.row })
      }
      for (const call of calls) this.#call(call, 0)
    }
    // What started them is not kept any more, or not known.
    for (const branch of branches.values()) if (isNested(branch)) this.#lane(branch, 1)
    return this.#items
  }

  /** Calls of no sub-agent, by time. */
  #top(): SessionCall[] {
    const { branches } = this.#session
    return [...this.#calls]
      .flatMap(([branchId, calls]) => {
        const branch = branches.get(branchId)
        return branch === undefined || !isNested(branch) ? calls : []
      })
      .toSorted(byTime)
  }

  #call({ row, branchId }: SessionCall, depth: number): void {
    const lane = this.#session.branches.get(branchId)?.kind ?? 'unknown'
    this.#items.push({ kind: 'call', depth, row, lane })
    const exchangeId = row.id.split('\u0000')[0] ?? row.id
    for (const branch of this.#children.get(exchangeId) ?? []) this.#lane(branch, depth + 1)
  }

  #lane(branch: Branch, depth: number): void {
    const calls = this.#calls.get(branch.id) ?? []
    if (this.#drawn.has(branch) || calls.length === 0) return
    this.#drawn.add(branch)
    const shown = Math.min(depth, maxDepth)
    this.#items.push({ kind: 'lane', depth: shown, branch, rows: calls.map(({ row }) => row) })
    for (const call of calls) this.#call(call, shown)
  }
}

interface Turn {
  /** Undefined for what comes before the first. */
  readonly turn: number | undefined
  readonly calls: SessionCall[]
}

/** Runs of calls of one turn; a call beside the conversation belongs to the turn it falls into. */
function turnsOf(calls: readonly SessionCall[], branches: Session['branches']): Turn[] {
  const turns: Turn[] = []
  for (const call of calls) {
    const last = turns.at(-1)
    const isAside = branches.get(call.branchId)?.kind === 'side'
    if (last !== undefined && (isAside || last.turn === call.turn)) last.calls.push(call)
    else turns.push({ turn: isAside ? undefined : call.turn, calls: [call] })
  }
  return turns
}

function byTime(a: SessionCall, b: SessionCall): number {
  return a.row.startedAt - b.row.startedAt || a.row.ordinal - b.row.ordinal
}

function isNested({ kind }: Branch): boolean {
  return kind === 'sub-agent'
}

function append<T>(map: Map<string, T[]>, key: string, value: T): void {
  const known = map.get(key)
  if (known === undefined) map.set(key, [value])
  else known.push(value)
}
