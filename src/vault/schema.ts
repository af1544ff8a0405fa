/**
 * The tables of `porthole.db`, as SQL for the database and as types for the queries. Versions are
 * steps that are only ever added to; `user_version` says how many a file has been through.
 */

/** `PRAGMA application_id`: "PRTH". */
export const applicationId = 0x50525448

/** The text of a row's JSON columns is stored, sealed and compared as it stands. */
export interface VaultTables {
  readonly vault: VaultRow
  readonly data_keys: DataKeyRow
  readonly secrets: SecretRow
  readonly agents: AgentRow
  readonly grants: GrantRow
  readonly rules: RuleRow
  readonly tokens: TokenRow
}

/** One row: what this vault is called in everything that it seals. */
export interface VaultRow {
  readonly one: 1
  readonly id: string
}

/** A data key, sealed by a key-encryption key. */
export interface DataKeyRow {
  readonly id: string
  /** Where the key-encryption key comes from. */
  readonly source: string
  /** JSON: of a key file, the key's id; of a passphrase, salt and cost. */
  readonly parameters: string
  readonly sealed: Buffer
  /** Over all secrets that there are: one that was put back, or taken away, is noticed. */
  readonly manifest: Buffer
  readonly created_at: number
}

export interface SecretRow {
  readonly id: string
  readonly name: string
  /** JSON array of host patterns, sorted. */
  readonly hosts: string
  readonly path: string | null
  /** JSON of a `CredentialLocation`. */
  readonly location: string
  /** The environment variable in which programs look for it; null for the provider's usual one. */
  readonly variable: string | null
  readonly kind: 'value' | 'reference'
  readonly key_id: string
  readonly version: number
  readonly sealed: Buffer
  readonly created_at: number
  readonly changed_at: number
  /** Id of the only agent that may use it, also after that was revoked; null for all it is granted to. */
  readonly agent_id: string | null
}

export interface AgentRow {
  readonly id: string
  readonly name: string
  /** SHA-256 of the token. */
  readonly token_hash: Buffer
  /** JSON array of host patterns; null for every host. */
  readonly hosts: string | null
  readonly sees_all: 0 | 1
  /** What becomes of requests that no rule decides; null for the proxy's own default. */
  readonly default_action: 'allow' | 'block' | null
  /** Epoch milliseconds; null for never. */
  readonly expires_at: number | null
  readonly created_at: number
  readonly rotated_at: number
}

export interface GrantRow {
  readonly agent_id: string
  readonly secret_id: string
}

export interface RuleRow {
  readonly id: string
  readonly name: string
  readonly action: 'block' | 'allow' | 'rate' | 'budget' | 'observe'
  readonly mode: 'enforce' | 'observe'
  /** JSON of what it matches, hosts as patterns. */
  readonly match: string
  /** JSON of a `RateLimit` or a `Budget`; null for rules without one. */
  readonly amount: string | null
  readonly created_at: number
  readonly changed_at: number
}

/** An opaque token that stands for a secret in what an agent sends. */
export interface TokenRow {
  readonly id: string
  /** SHA-256 of the token. */
  readonly token_hash: Buffer
  readonly secret_id: string
  /** JSON array of host patterns, within those of the secret. */
  readonly hosts: string
  /** The only agent that it is replaced for; null for every one that has the secret. */
  readonly agent_id: string | null
  /** Epoch milliseconds; null for never. */
  readonly expires_at: number | null
  readonly created_at: number
}

/** Step n takes a database from version n to n + 1. */
export const migrations: readonly string[] = [
  `
  create table vault (one integer primary key check (one = 1), id text not null) strict;
  create table data_keys (
    id text primary key,
    source text not null,
    parameters text not null,
    sealed blob not null,
    manifest blob not null,
    created_at integer not null
  ) strict;
  create table secrets (
    id text primary key,
    name text not null unique,
    hosts text not null,
    path text,
    location text not null,
    kind text not null check (kind in ('value', 'reference')),
    key_id text not null references data_keys (id),
    version integer not null,
    sealed blob not null,
    created_at integer not null,
    changed_at integer not null
  ) strict;
  create table agents (
    id text primary key,
    name text not null unique,
    token_hash blob not null unique,
    hosts text,
    sees_all integer not null check (sees_all in (0, 1)),
    expires_at integer,
    created_at integer not null,
    rotated_at integer not null
  ) strict;
  create table grants (
    agent_id text not null references agents (id) on delete cascade,
    secret_id text not null references secrets (id) on delete cascade,
    primary key (agent_id, secret_id)
  ) strict, without rowid;
  `,
  `
  create table rules (
    id text primary key,
    name text not null unique,
    action text not null check (action in ('block', 'allow', 'rate', 'budget', 'observe')),
    mode text not null check (mode in ('enforce', 'observe')),
    match text not null,
    amount text,
    created_at integer not null,
    changed_at integer not null
  ) strict;
  create table tokens (
    id text primary key,
    token_hash blob not null unique,
    secret_id text not null references secrets (id) on delete cascade,
    hosts text not null,
    agent_id text references agents (id) on delete cascade,
    expires_at integer,
    created_at integer not null
  ) strict;
  alter table secrets add column agent_id text;
  alter table secrets add column variable text;
  alter table agents add column default_action text check (default_action in ('allow', 'block'));
  `,
]
