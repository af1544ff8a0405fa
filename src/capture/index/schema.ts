/**
 * The tables of the index, as SQL and as types. A later version adds a step to `migrations` and
 * never changes one; the count of steps is the `user_version` of the file. What the index holds can
 * be made again from the captures at any time, so a step may also empty it.
 */
import type { Generated } from 'kysely'

export interface CapturesTable {
  readonly id: Generated<number>
  /** Of the capture in its folder, without `.jsonl`. */
  readonly name: string
  /** Epoch milliseconds: as the first line of its first file says, and of its newest message. */
  readonly started_at: number | null
  readonly last_at: number | null
}

/** A file goes by its first line: rotation renames it, and compression makes another file of it. */
export interface FilesTable {
  readonly id: Generated<number>
  readonly capture_id: number
  readonly first_line: string
  /** The name that it had last. */
  readonly name: string
  /** Plain bytes that are in the index: all whole lines before. */
  readonly indexed_bytes: number
  /** Digest of the last bytes before that: tells a file that was replaced by another. */
  readonly tail: string
  /** Of the file on the disk when it was last read to its end; 0 until then. */
  readonly disk_bytes: number
  readonly modified_at: number
  /** Lines that could not be read. */
  readonly problems: number
}

/** One row for an exchange, and one for each call where an exchange has several. */
export interface CallsTable {
  readonly id: Generated<number>
  readonly capture_id: number
  readonly file_id: number
  /** Of its first message, in the plain text of the file. */
  readonly byte_offset: number
  readonly exchange_id: string
  /** `call` of its messages; -1 where there is none, and for the exchange itself. */
  readonly call: number
  readonly kind: string
  readonly at: number
  readonly last_at: number
  readonly agent: string | null
  readonly method: string
  readonly url: string
  readonly host: string
  readonly provider: string | null
  readonly operation: string | null
  readonly model: string | null
  readonly status: number | null
  /** 0 or 1. */
  readonly has_response: number
  readonly stop: string | null
  readonly error: string | null
  readonly session_id: string | null
  readonly client_session_id: string | null
  readonly branch: string | null
  readonly branch_id: string | null
  readonly turn: number | null
  readonly attempt: number | null
  readonly ttft_ms: number | null
  readonly duration_ms: number | null
  readonly input_tokens: number | null
  readonly cache_read_tokens: number | null
  readonly cache_write_tokens: number | null
  readonly output_tokens: number | null
  readonly reasoning_tokens: number | null
  readonly usage_source: string | null
  readonly cost_usd: number | null
  readonly cost_confidence: string | null
  readonly cache_verdict: string | null
  readonly cache_reason: string | null
  /** JSON: names of the tools that the answer calls. */
  readonly tools: string
  /** 0 or 1: its end was told. */
  readonly has_ended: number
}

/** What was said in a capture already, so that a history is indexed once. */
export interface SaidTable {
  readonly capture_id: number
  readonly digest: Buffer
}

/** FTS5, by the `id` of `calls`. */
export interface TextsTable {
  readonly rowid: number
  readonly prompt: string
  readonly answer: string
  readonly tools: string
}

export interface IndexTables {
  captures: CapturesTable
  files: FilesTable
  calls: CallsTable
  said: SaidTable
  texts: TextsTable
}

export const migrations: readonly string[] = [
  `create table captures (
     id integer primary key,
     name text not null unique,
     started_at integer,
     last_at integer
   ) strict;
   create table files (
     id integer primary key,
     capture_id integer not null references captures (id) on delete cascade,
     first_line text not null,
     name text not null,
     indexed_bytes integer not null,
     tail text not null,
     disk_bytes integer not null,
     modified_at integer not null,
     problems integer not null,
     unique (capture_id, first_line)
   ) strict;
   create table calls (
     id integer primary key,
     capture_id integer not null references captures (id) on delete cascade,
     file_id integer not null references files (id) on delete cascade,
     byte_offset integer not null,
     exchange_id text not null,
     call integer not null,
     kind text not null,
     at integer not null,
     last_at integer not null,
     agent text,
     method text not null,
     url text not null,
     host text not null,
     provider text,
     operation text,
     model text,
     status integer,
     has_response integer not null,
     stop text,
     error text,
     session_id text,
     client_session_id text,
     branch text,
     branch_id text,
     turn integer,
     attempt integer,
     ttft_ms real,
     duration_ms real,
     input_tokens integer,
     cache_read_tokens integer,
     cache_write_tokens integer,
     output_tokens integer,
     reasoning_tokens integer,
     usage_source text,
     cost_usd real,
     cost_confidence text,
     cache_verdict text,
     cache_reason text,
     tools text not null,
     has_ended integer not null,
     unique (capture_id, exchange_id, call)
   ) strict;
   create index calls_at on calls (at);
   create table said (
     capture_id integer not null references captures (id) on delete cascade,
     digest blob not null,
     primary key (capture_id, digest)
   ) strict, without rowid;
   create virtual table texts using fts5 (
     prompt, answer, tools, tokenize = "unicode61 remove_diacritics 2"
   );
   insert into texts (texts, rank) values ('secure-delete', 1);`,
]
