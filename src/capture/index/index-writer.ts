/**
 * Writes what was read of one capture, in whole changes: rows, what is searched, and how far the
 * file was read stand in one transaction, so that a crash or a second process can neither lose nor
 * double anything.
 */
import type { IndexDatabase } from './database.ts'
import { tables } from './database.ts'
import type { EntryRow, ExchangeEntry, SaidPart, TextColumn } from './exchange-entry.ts'

export interface IndexedFile {
  readonly id: number
  readonly capture_id: number
  readonly name: string
  readonly first_line: string
  readonly indexed_bytes: number
  readonly tail: string
  readonly disk_bytes: number
  readonly modified_at: number
  readonly problems: number
}

export type Progress = Pick<
  IndexedFile,
  'indexed_bytes' | 'tail' | 'disk_bytes' | 'modified_at'
> & {
  readonly newProblems: number
}

/** The id of a capture; it is made where it is new. */
export function captureId(db: IndexDatabase, name: string): number {
  const insert = tables
    .insertInto('captures')
    .values({ name, started_at: null, last_at: null })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ name }))
    .returning('id')
  return db.first(insert)?.id ?? 0
}

export function filesOf(db: IndexDatabase, capture: number): IndexedFile[] {
  return db.all(tables.selectFrom('files').selectAll().where('capture_id', '=', capture))
}

/** A file nothing of which is read yet. */
export function addFile(
  db: IndexDatabase,
  file: Pick<IndexedFile, 'capture_id' | 'name' | 'first_line'>,
): void {
  const empty = { indexed_bytes: 0, tail: '', disk_bytes: 0, modified_at: 0, problems: 0 }
  db.run(
    tables
      .insertInto('files')
      .values({ ...file, ...empty })
      .onConflict((conflict) => conflict.columns(['capture_id', 'first_line']).doNothing()),
  )
}

/** It bears another name now, or was read to the same end again. */
export function updateFile(
  db: IndexDatabase,
  id: number,
  changes: Partial<Pick<IndexedFile, 'name' | 'disk_bytes' | 'modified_at'>>,
): void {
  db.run(tables.updateTable('files').set(changes).where('id', '=', id))
}

/** Everything of a capture, searched texts included. */
export function removeCapture(db: IndexDatabase, capture: number): void {
  db.transaction(() => {
    const rows = tables.selectFrom('calls').select('id').where('capture_id', '=', capture)
    db.run(tables.deleteFrom('texts').where('rowid', 'in', rows))
    db.run(tables.deleteFrom('captures').where('id', '=', capture))
  })
}

/**
 * False where another process has read on from the same place, or has removed the capture: nothing
 * was written then.
 */
export function writeProgress(
  db: IndexDatabase,
  file: IndexedFile,
  entries: Iterable<ExchangeEntry>,
  progress: Progress & { readonly startedAt: number | undefined },
): boolean {
  return db.transaction(() => {
    const current = db.first(
      tables.selectFrom('files').select('indexed_bytes').where('id', '=', file.id),
    )
    if (current?.indexed_bytes !== file.indexed_bytes) return false
    let lastAt = 0
    for (const { rows } of entries) {
      for (const row of rows.values()) {
        lastAt = Math.max(lastAt, row.columns.last_at)
        if (row.isDirty || row.said.length > 0) writeRow(db, file.capture_id, row)
      }
    }
    const { newProblems, startedAt, ...place } = progress
    const problems = file.problems + newProblems
    db.run(
      tables
        .updateTable('files')
        .set({ ...place, problems })
        .where('id', '=', file.id),
    )
    noteTimes(db, file.capture_id, startedAt, lastAt)
    return true
  })
}

function noteTimes(
  db: IndexDatabase,
  capture: number,
  startedAt: number | undefined,
  lastAt: number,
): void {
  const update = tables.updateTable('captures').where('id', '=', capture)
  if (startedAt !== undefined) {
    db.run(update.set({ started_at: startedAt }).where('started_at', 'is', null))
  }
  if (lastAt === 0) return
  db.run(
    update
      .set({ last_at: lastAt })
      .where((or) => or.or([or('last_at', 'is', null), or('last_at', '<', lastAt)])),
  )
}

function writeRow(db: IndexDatabase, capture: number, row: EntryRow): void {
  const { exchange_id: _, call: _call, ...changes } = row.columns
  const insert = tables
    .insertInto('calls')
    .values({ ...emptyRow, ...row.columns, capture_id: capture })
    .onConflict((conflict) =>
      conflict
        .columns(['capture_id', 'exchange_id', 'call'])
        .doUpdateSet({ ...emptyRow, ...changes }),
    )
    .returning('id')
  const id = db.first(insert)?.id ?? 0
  row.isDirty = false
  const { said } = row
  row.said = []
  writeTexts(db, capture, id, said)
}

/** All columns that may be absent: statements then are the same for every row. */
const emptyRow = {
  agent: null,
  provider: null,
  operation: null,
  model: null,
  status: null,
  stop: null,
  error: null,
  session_id: null,
  client_session_id: null,
  branch: null,
  branch_id: null,
  turn: null,
  attempt: null,
  ttft_ms: null,
  duration_ms: null,
  input_tokens: null,
  cache_read_tokens: null,
  cache_write_tokens: null,
  output_tokens: null,
  reasoning_tokens: null,
  usage_source: null,
  cost_usd: null,
  cost_confidence: null,
  cache_verdict: null,
  cache_reason: null,
} as const

function writeTexts(
  db: IndexDatabase,
  capture: number,
  id: number,
  said: readonly SaidPart[],
): void {
  const added: Record<TextColumn, string[]> = { prompt: [], answer: [], tools: [] }
  for (const { column, text, digest, isNew } of said) {
    const isFirst =
      db.run(
        tables
          .insertInto('said')
          .values({ capture_id: capture, digest })
          .onConflict((conflict) => conflict.doNothing()),
      ) > 0
    if (isFirst || isNew) added[column].push(text)
  }
  if (Object.values(added).every((texts) => texts.length === 0)) return
  const before = db.first(
    tables.selectFrom('texts').select(['prompt', 'answer', 'tools']).where('rowid', '=', id),
  )
  if (before !== undefined) db.run(tables.deleteFrom('texts').where('rowid', '=', id))
  const joined = (column: TextColumn): string =>
    [
      ...(before === undefined || before[column] === '' ? [] : [before[column]]),
      ...added[column],
    ].join('\n')
  const texts = { prompt: joined('prompt'), answer: joined('answer'), tools: joined('tools') }
  db.run(tables.insertInto('texts').values({ rowid: id, ...texts }))
}
