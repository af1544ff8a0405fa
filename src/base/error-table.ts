/**
 * The codes of all errors that a user can meet, with what is said of each. Message texts may change,
 * codes may not, and a code is never used for a second meaning.
 */

import { storageErrors } from './storage-errors.ts'
import type { ErrorRow } from './storage-errors.ts'

/** Rows in the order in which a user may meet them. */
export const table = {
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
  ERR_NODE_SETTING: {
    message: '{setting} in {variable} would have Node write down what must stay secret',
    hint: 'unset it; for a program alone: porthole run -- env {variable}=… COMMAND',
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
  ...storageErrors,
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
