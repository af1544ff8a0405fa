/**
 * Every error that a user can meet: one table of stable codes, one class. Message texts may change,
 * codes may not, and a code is never used for a second meaning. Only `main.ts` turns an error into
 * text and an exit code (`exitCode`: 1 failed, 2 usage, 69 cannot listen or start, 70 internal, and
 * as in a shell 126 and 127 where `run` cannot start the command).
 */

interface ErrorRow {
  /** What went wrong, in one line; `{name}` stands for `details.name`. */
  readonly message: string
  /** What the user can do next, in one line. */
  readonly hint: string
  readonly exitCode: 1 | 2 | 69 | 70 | 126 | 127
}

const table = {
  ERR_USAGE: { message: '{problem}', hint: '{next}', exitCode: 2 },
  ERR_NODE_TOO_OLD: {
    message: 'Node {version} is too old: {wanted} or later is needed',
    hint: 'install a current Node, or run it through npx in a folder that has the package node',
    exitCode: 69,
  },
  ERR_CONFIG_UNREADABLE: {
    message: 'cannot read the configuration {path}: {problem}',
    hint: 'fix the file, or name another one with --config FILE',
    exitCode: 2,
  },
  ERR_HOST_PATTERN: {
    message: 'not a host pattern: {pattern} ({problem})',
    hint: 'write a host such as api.openai.com, *.openai.com or api.openai.com:8443',
    exitCode: 2,
  },
  ERR_LISTEN_IN_USE: {
    message: '{host}:{port} is in use by another program',
    hint: 'stop that program, or choose another port with --listen {host}:PORT (0 picks a free one)',
    exitCode: 69,
  },
  ERR_LISTEN: {
    message: 'cannot listen on {host}:{port}: {problem}',
    hint: 'choose another address with --listen HOST:PORT',
    exitCode: 69,
  },
  ERR_HOME_UNWRITABLE: {
    message: 'cannot write to {path}: {problem}',
    hint: 'make it writable, or name another folder with --home DIR',
    exitCode: 69,
  },
  ERR_TLS_VERIFICATION_OFF: {
    message: 'NODE_TLS_REJECT_UNAUTHORIZED=0 would switch off the check of upstream certificates',
    hint: 'unset it; to trust a private upstream, use --upstream-ca FILE',
    exitCode: 69,
  },
  ERR_UPSTREAM_CA: {
    message: 'cannot use {path} as upstream roots: {problem}',
    hint: 'give a PEM file that holds at least one certificate',
    exitCode: 69,
  },
  ERR_CA_MODE: {
    message: '{path} can be read by others (mode {mode})',
    hint: 'chmod {wanted} {path}; if others may have read the key, run: porthole ca rotate',
    exitCode: 69,
  },
  ERR_CA_UNUSABLE: {
    message: 'the certificate authority in {path} cannot be used: {problem}',
    hint: 'make a new one with: porthole ca rotate (then install it again where it was trusted)',
    exitCode: 69,
  },
  ERR_CA_NOT_PERMITTED: {
    message:
      'the certificate authority cannot vouch for {host}: it is outside its name constraints',
    hint: 'run: porthole ca rotate --permit {host} (then install it again where it was trusted)',
    exitCode: 69,
  },
  ERR_CA_OF_RUN: {
    message:
      '{host} cannot be added now: the certificate authority of this run vouches for its own hosts only',
    hint: 'start it again with --allow {host}',
    exitCode: 69,
  },
  ERR_CA_MISSING: {
    message: 'there is no certificate authority in {path} yet',
    hint: 'start a proxy once with: porthole start (or make one with: porthole ca rotate)',
    exitCode: 1,
  },
  ERR_TRUST_UNSUPPORTED: {
    message: 'no trust-store script for {system}',
    hint: 'use porthole run, which needs none, or export the CA with: porthole ca export',
    exitCode: 1,
  },
  ERR_TRUST_SCRIPT: {
    message: 'the trust-store script {script} failed with exit code {code}',
    hint: 'read its output above; porthole ca {action} --dry-run shows what it does',
    exitCode: 1,
  },
  ERR_OUTPUT_UNWRITABLE: {
    message: 'cannot write {path}: {problem}',
    hint: 'name another file with --out FILE',
    exitCode: 1,
  },
  ERR_COMMAND_NOT_FOUND: {
    message: 'cannot start {command}: no such program',
    hint: 'check the spelling and PATH',
    exitCode: 127,
  },
  ERR_COMMAND_FAILED: {
    message: 'cannot start {command}: {problem}',
    hint: 'run it without porthole to see whether it starts at all',
    exitCode: 126,
  },
  ERR_CAPTURE_UNREADABLE: {
    message: 'cannot read the capture {path}: {problem}',
    hint: 'check the path; captures are listed under the captures folder of --home',
    exitCode: 1,
  },
  ERR_CAPTURE_DAMAGED: {
    message: 'damaged lines in the capture {path}: {count}; the rest was read',
    hint: 'their numbers stand above; a copy of the capture may still have them',
    exitCode: 1,
  },
  ERR_CAPTURE_EMPTY: {
    message: 'no exchange was recorded in {path}',
    hint: 'record one with: porthole run --capture FILE -- COMMAND',
    exitCode: 1,
  },
  ERR_CAPTURE_UNWRITABLE: {
    message: 'cannot write the capture {path}: {problem}',
    hint: 'choose another place with --capture FILE|DIR, or none with --capture none',
    exitCode: 69,
  },
  ERR_CAPTURE_UNKNOWN: {
    message: 'there is no capture {name} in {folder}',
    hint: 'see which there are with: porthole captures list',
    exitCode: 1,
  },
  ERR_EXCHANGE_UNKNOWN: {
    message: 'there is no {what} in {where}',
    hint: '{next}',
    exitCode: 1,
  },
  ERR_INDEX_NEWER: {
    message: 'the index {path} has format {version}, of a later Porthole; this one knows {known}',
    hint: 'use that Porthole, or make the index anew with: porthole search --rebuild',
    exitCode: 1,
  },
  ERR_INDEX_UNUSABLE: {
    message: 'the index {path} cannot be used: {problem}',
    hint: 'make it anew with: porthole search --rebuild (captures are not touched)',
    exitCode: 1,
  },
  ERR_NO_PROXY_RUNNING: {
    message: 'no running proxy to attach to',
    hint: 'start one with: porthole start, or open a file with: porthole view CAPTURE.jsonl',
    exitCode: 1,
  },
  ERR_NOT_A_TERMINAL: {
    message: 'the viewer needs a terminal',
    hint: 'use porthole replay FILE for plain lines, or --json for messages',
    exitCode: 2,
  },
  ERR_CREDENTIAL_MISSING: {
    message: 'the environment variable {variable}, named for {host}, is not set',
    hint: 'set it, or remove the entry under "credentials" in the configuration',
    exitCode: 2,
  },
  ERR_CREDENTIAL_INVALID: {
    message: 'the value of {variable} cannot be sent in a header',
    hint: 'check it for line breaks and other control characters',
    exitCode: 2,
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
  ERR_NAME_TAKEN: {
    message: 'there is {what} named {name} already',
    hint: 'choose another name, or use rotate to replace it',
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
  ERR_PRICES_INVALID: {
    message: 'the price list {path} cannot be used: {problem}',
    hint: "write it in LiteLLM's format: dollars per token, by model, as input_cost_per_token",
    exitCode: 2,
  },
  ERR_MODULE_HOOK: {
    message: 'a module wants {hook}, which is never called: WebSockets pass no module',
    hint: 'read them with an analyzer that takes websocket-message, and leave {hook} out',
    exitCode: 2,
  },
  ERR_FILTER: {
    message: 'the filter cannot be read: {problem}',
    hint: 'porthole export --help lists what a filter may say',
    exitCode: 2,
  },
  ERR_INTERNAL: {
    message: 'internal error: {problem}',
    hint: 'please report it, with the command that led to it',
    exitCode: 70,
  },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof table
export type ErrorDetails = Readonly<Record<string, string | number>>

export const errorTable: Readonly<Record<ErrorCode, ErrorRow>> = table

/** An expected failure. `message` is one line, `hint` is the next step; neither holds a secret. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly details: ErrorDetails
  readonly hint: string
  readonly exitCode: number

  constructor(code: ErrorCode, details: ErrorDetails = {}, cause?: unknown) {
    const row = errorTable[code]
    super(fill(row.message, details), cause === undefined ? undefined : { cause })
    this.code = code
    this.details = details
    this.hint = fill(row.hint, details)
    this.exitCode = row.exitCode
  }
}

/** The one-line reason of anything thrown, without its stack. */
export function describeError(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0)
    return describeError(error.errors[0])
  if (error instanceof Error) return error.message || error.name
  return String(error)
}

/** Anything thrown, as an `Error`. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

/** The `code` of a Node system or TLS error, or undefined. */
export function errorCodeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError && error.errors.length > 0)
    return errorCodeOf(error.errors[0])
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Ends a switch over a union: a new member is a compile error here. */
export function assertNever(value: never): never {
  throw new AppError('ERR_INTERNAL', { problem: `unexpected value ${JSON.stringify(value)}` })
}

function fill(template: string, details: ErrorDetails): string {
  return template.replaceAll(/\{(\w+)\}/gu, (whole, name: string) => String(details[name] ?? whole))
}
