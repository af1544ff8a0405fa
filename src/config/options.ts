/**
 * The one table of options: flags, environment, configuration file, `--help` and the README's table
 * are all made from it. What a value means is decided in `settings.ts`.
 */

import { accessOptions } from './access-options.ts'

export type CommandName = 'run' | 'start' | 'demo'

export interface OptionRow {
  /** Key in the configuration file and among parsed flags. */
  readonly name: string
  readonly flag: string
  readonly kind: 'text' | 'list' | 'switch'
  /** In order of precedence; the flag wins over all. */
  readonly env: readonly string[]
  readonly help: string
  /** As `--help` words it; what it is, is in `settings.ts`. */
  readonly defaultText?: string
  readonly commands: readonly CommandName[]
  /** False where a file must not decide: where files lie, and which file this is. */
  readonly inFile: boolean
}

const proxies: readonly CommandName[] = ['run', 'start']
const all: readonly CommandName[] = ['run', 'start', 'demo']

export const optionTable: readonly OptionRow[] = [
  {
    name: 'listen',
    flag: '--listen <HOST:PORT>',
    kind: 'text',
    env: ['PORTHOLE_LISTEN', 'LISTEN_ADDR'],
    help: 'address to listen on; port 0 picks a free one',
    defaultText: 'start: 127.0.0.1:8080, run: 127.0.0.1:0',
    commands: proxies,
    inFile: true,
  },
  {
    name: 'allow',
    flag: '--allow <HOST[,…]>',
    kind: 'list',
    env: ['PORTHOLE_ALLOW', 'ALLOWLIST_HOSTS'],
    help: 'hosts to decrypt (host, *.host, host:port); everything else is a blind tunnel',
    defaultText: 'api.openai.com,files.openai.com',
    commands: proxies,
    inFile: true,
  },
  {
    name: 'allowPreset',
    flag: '--allow-preset <NAME[,…]>',
    kind: 'list',
    env: ['PORTHOLE_ALLOW_PRESET'],
    help: "a provider's hosts: openai, anthropic, gemini, bedrock, vertex; llm: all but the last two",
    commands: proxies,
    inFile: true,
  },
  {
    name: 'capture',
    flag: '--capture <FILE|DIR|none>',
    kind: 'text',
    env: ['PORTHOLE_CAPTURE'],
    help: 'where to record, as JSONL',
    defaultText: 'a new file in the captures folder of --home',
    commands: all,
    inFile: true,
  },
  {
    name: 'keepCaptures',
    flag: '--keep-captures <DURATION>',
    kind: 'text',
    env: ['PORTHOLE_KEEP_CAPTURES'],
    help: 'at the start, remove captures that are older, such as 30d; pinned ones stay',
    commands: proxies,
    inFile: true,
  },
  {
    name: 'keepSize',
    flag: '--keep-size <SIZE>',
    kind: 'text',
    env: ['PORTHOLE_KEEP_SIZE'],
    help: 'at the start, remove the oldest captures past this, such as 5GiB; pinned ones stay',
    commands: proxies,
    inFile: true,
  },
  {
    name: 'viewer',
    flag: '--no-viewer',
    kind: 'switch',
    env: ['PORTHOLE_VIEWER'],
    help: 'print one line per call, even on a terminal',
    commands: ['start', 'demo'],
    inFile: true,
  },
  {
    name: 'json',
    flag: '--json',
    kind: 'switch',
    env: ['PORTHOLE_JSON'],
    help: 'print every message on stdout, as one line of JSON',
    commands: all,
    inFile: false,
  },
  {
    name: 'defaultAction',
    flag: '--default-action <allow|block>',
    kind: 'text',
    env: ['PORTHOLE_DEFAULT_ACTION'],
    help: 'what becomes of requests and tunnels that no rule blocks and none allows',
    defaultText: 'allow',
    commands: proxies,
    inFile: true,
  },
  {
    name: 'redactContent',
    flag: '--redact-content <secrets|pii|off>',
    kind: 'text',
    env: ['PORTHOLE_REDACT_CONTENT'],
    help: 'what to mask in prompts and answers: keys and tokens, personal data too, or nothing',
    defaultText: 'secrets',
    commands: proxies,
    inFile: true,
  },
  {
    name: 'prices',
    flag: '--prices <FILE>',
    kind: 'text',
    env: ['PORTHOLE_PRICES'],
    help: "your own prices by model, in LiteLLM's format; they go before the built-in ones",
    commands: proxies,
    inFile: true,
  },
  {
    name: 'connectTo',
    flag: '--connect-to <HOST:PORT=ADDR:PORT>',
    kind: 'list',
    env: ['PORTHOLE_CONNECT_TO'],
    help: 'dial another address for a host; its name is still what is verified (repeatable)',
    commands: proxies,
    inFile: true,
  },
  {
    name: 'allowPrivate',
    flag: '--allow-private',
    kind: 'switch',
    env: ['PORTHOLE_ALLOW_PRIVATE'],
    help: 'let hosts lead to loopback and private addresses; metadata services stay refused',
    commands: proxies,
    inFile: true,
  },
  {
    name: 'tunnelOnReject',
    flag: '--tunnel-on-reject',
    kind: 'switch',
    env: ['PORTHOLE_TUNNEL_ON_REJECT'],
    help: 'once a client has rejected the certificate for a host, tunnel that host for it',
    commands: proxies,
    inFile: true,
  },
  {
    name: 'onCaFailure',
    flag: '--on-ca-failure <refuse|tunnel>',
    kind: 'text',
    env: ['PORTHOLE_ON_CA_FAILURE'],
    help: 'where the kept CA cannot be used: do not start, or tunnel every host unread',
    defaultText: 'refuse',
    commands: ['start'],
    inFile: true,
  },
  {
    name: 'upstreamProxy',
    flag: '--upstream-proxy <URL>',
    kind: 'text',
    env: ['PORTHOLE_UPSTREAM_PROXY'],
    help: 'reach upstreams through another proxy: http://user:password@host:port or https://…',
    commands: proxies,
    inFile: true,
  },
  {
    name: 'upstreamProxyBypass',
    flag: '--upstream-proxy-bypass <HOST[,…]>',
    kind: 'list',
    env: ['PORTHOLE_UPSTREAM_PROXY_BYPASS'],
    help: 'hosts to reach without it',
    commands: proxies,
    inFile: true,
  },
  {
    name: 'upstreamCa',
    flag: '--upstream-ca <FILE>',
    kind: 'list',
    env: ['PORTHOLE_UPSTREAM_CA'],
    help: "PEM roots to trust for upstreams, in addition to Node's own (repeatable)",
    commands: proxies,
    inFile: true,
  },
  {
    name: 'route',
    flag: '--route <NAME=URL>',
    kind: 'list',
    env: ['PORTHOLE_ROUTE'],
    help: 'serve an upstream at http://HOST:PORT/NAME/, for programs that know no proxy (repeatable)',
    commands: proxies,
    inFile: true,
  },
  {
    name: 'printEnv',
    flag: '--print-env',
    kind: 'switch',
    env: ['PORTHOLE_PRINT_ENV'],
    help: 'print, for a shell, the variables that lead programs to the routes, tokens included',
    commands: ['start'],
    inFile: false,
  },
  ...accessOptions,
  {
    name: 'limit',
    flag: '--limit <NAME=VALUE[,…]>',
    kind: 'list',
    env: ['PORTHOLE_LIMIT'],
    help: 'set a bound, such as idle-timeout=30m or capture-file=1GiB; below are all (repeatable)',
    commands: proxies,
    // There they are an object, `limits`.
    inFile: false,
  },
  {
    name: 'readyFile',
    flag: '--ready-file <FILE>',
    kind: 'text',
    env: ['PORTHOLE_READY_FILE'],
    help: 'write {"url","port","caCert","bundle","pid","routes"} there once listening',
    commands: proxies,
    inFile: false,
  },
  {
    name: 'home',
    flag: '--home <DIR>',
    kind: 'text',
    env: ['PORTHOLE_HOME'],
    help: 'where the vault, the CA, captures and control sockets lie',
    defaultText: "the platform's data folder",
    commands: all,
    inFile: false,
  },
  {
    name: 'config',
    flag: '--config <FILE>',
    kind: 'text',
    env: ['PORTHOLE_CONFIG'],
    help: 'configuration file',
    defaultText: 'porthole.json in --home, if it is there',
    commands: proxies,
    inFile: false,
  },
]

export function optionsOf(command: CommandName): readonly OptionRow[] {
  return optionTable.filter((row) => row.commands.includes(command))
}
