/** Errors of what is stored: the vault with its secrets, tokens, agents and rules, the audit, the ledger. */

export interface ErrorRow {
  /** What went wrong, in one line; `{name}` stands for `details.name`. */
  readonly message: string
  /** What the user can do next, in one line. */
  readonly hint: string
  readonly exitCode: 1 | 2 | 69 | 70 | 126 | 127
}

/** Rows of the one table, `error-table.ts`. */
export const storageErrors = {
  ERR_STORAGE_FULL: {
    message: 'no room is left on the disk of {path}',
    hint: 'make room and try again; what was done before is kept',
    exitCode: 69,
  },
  ERR_STORAGE_BUSY: {
    message: 'another process is writing to {path}',
    hint: 'try again; nothing was changed',
    exitCode: 69,
  },
  ERR_VAULT_MODE: {
    message: '{path} is open to others (mode {mode})',
    hint: 'chmod {wanted} {path}; if others may have read it, replace the keys in it',
    exitCode: 69,
  },
  ERR_VAULT_UNUSABLE: {
    message: 'the vault {path} cannot be used: {problem}',
    hint: 'restore it from a copy, or move it away and add its secrets anew',
    exitCode: 69,
  },
  ERR_VAULT_NEWER: {
    message: 'the vault {path} was made by a newer Porthole (version {version}, known is {known})',
    hint: 'update this Porthole, or name another folder with --home DIR',
    exitCode: 69,
  },
  ERR_VAULT_KEY: {
    message: 'the vault cannot be opened: {problem}',
    hint: '{next}',
    exitCode: 69,
  },
  ERR_VAULT_TAMPERED: {
    message: 'the vault does not open {what}: it was changed by something else than Porthole',
    hint: 'restore porthole.db from a copy, or replace what does not open',
    exitCode: 69,
  },
  ERR_AUDIT_MODE: {
    message: '{path} is open to others (mode {mode})',
    hint: 'chmod {wanted} {path}; if others may have written to it, run: porthole audit --verify',
    exitCode: 69,
  },
  ERR_AUDIT_UNUSABLE: {
    message: 'the audit {path} cannot be used: {problem}',
    hint: 'move it away to begin a new one, or switch it off with --audit off (PORTHOLE_AUDIT=off)',
    exitCode: 69,
  },
  ERR_AUDIT_NEWER: {
    message: 'the audit {path} was made by a newer Porthole (version {version}, known is {known})',
    hint: 'update this Porthole, or name another folder with --home DIR',
    exitCode: 69,
  },
  ERR_AUDIT_UNENDED: {
    message: '{action} was done, but the audit could not record that: {problem}',
    hint: 'make the audit writable; until then further changes are refused',
    exitCode: 1,
  },
  ERR_AUDIT_MISSING: {
    message: 'there is no audit in {path} yet',
    hint: 'it begins with the first agent, secret or rule, or with --audit on',
    exitCode: 1,
  },
  ERR_AUDIT_BROKEN: {
    message: 'the audit does not hold: {problem}',
    hint: 'entries before that are as they were written; keep the file, and look at who could write to it',
    exitCode: 1,
  },
  ERR_LEDGER_UNUSABLE: {
    message: 'the ledger {path} cannot be used: {problem}',
    hint: 'restore it from a copy, or move it away: budgets then begin anew',
    exitCode: 69,
  },
  ERR_LEDGER_NEWER: {
    message: 'the ledger {path} was made by a newer Porthole (version {version}, known is {known})',
    hint: 'update this Porthole, or name another folder with --home DIR',
    exitCode: 69,
  },
  ERR_SECRET_INVALID: {
    message: 'the value cannot be used: {problem}',
    hint: 'check what was given on standard input; nothing was stored',
    exitCode: 2,
  },
  ERR_SECRET_AMBIGUOUS: {
    message: '{name} would fill the same place as the secret {other}, for {host}',
    hint: 'remove {other}, rotate its value, or bind one of them to a path (--path) or an agent (--agent)',
    exitCode: 2,
  },
  ERR_SECRET_RESERVED: {
    message: 'the secret {name} is for one agent alone, and cannot be granted or denied',
    hint: 'see porthole secrets show {name}; another one can be added for another agent',
    exitCode: 2,
  },
  ERR_SECRET_UNKNOWN: {
    message: 'there is no secret named {name}',
    hint: 'porthole secrets list shows all there are',
    exitCode: 1,
  },
  ERR_SECRET_UNAVAILABLE: {
    message: 'the secret {name} cannot be had: {problem}',
    hint: 'porthole secrets show {name} tells where it comes from',
    exitCode: 1,
  },
  ERR_TOKEN_KEY: {
    message: 'the key of starpod tokens cannot be used: {problem}',
    hint: 'put the key that they were made with into the variable that --starpod-key-env names',
    exitCode: 2,
  },
  ERR_TOKEN_HOST: {
    message: '{host} is not among the hosts of the secret {name}',
    hint: 'porthole secrets show {name} lists them; a token can only narrow them',
    exitCode: 2,
  },
  ERR_TOKEN_UNKNOWN: {
    message: 'there is no token with the id {id}',
    hint: 'porthole tokens list shows all there are',
    exitCode: 1,
  },
  ERR_AGENT_UNKNOWN: {
    message: 'there is no agent named {name}',
    hint: 'porthole agents list shows all there are',
    exitCode: 1,
  },
  ERR_AGENT_EXPIRED: {
    message: 'the time of the agent {name} is over: a new token would be worth nothing',
    hint: 'give it more: porthole agents rotate {name} --expires 30d, or --expires never',
    exitCode: 1,
  },
  ERR_NAME_TAKEN: {
    message: 'there is {what} named {name} already',
    hint: '{next}',
    exitCode: 2,
  },
  ERR_NAME_CREDENTIAL: {
    message: 'what was given as the name of {what} looks like a key',
    hint: 'give it a name of your own, for names are shown and recorded; values are asked for',
    exitCode: 2,
  },
  ERR_RULE_INVALID: {
    message: 'not a rule: {problem}',
    hint: '{next}',
    exitCode: 2,
  },
  ERR_RULE_UNKNOWN: {
    message: 'there is no rule named {name}',
    hint: 'porthole rules list shows all there are',
    exitCode: 1,
  },
  ERR_RULE_OF_FILE: {
    message: 'the rule {name} stands in {path}',
    hint: 'change it there; a running proxy follows the file',
    exitCode: 2,
  },
} as const satisfies Record<string, ErrorRow>
