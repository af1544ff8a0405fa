/**
 * The environment of a program that runs under Porthole: which variables make which client use the
 * proxy and trust its certificates. One table holds them, so that the documentation and the tests
 * come from what the code does. Pure: files are written by the caller, and only named here.
 *
 * Two kinds of trust variable exist, and mixing them up breaks traffic. Those that ADD roots get
 * the CA alone; those that REPLACE the client's roots get a bundle of the system's roots and the
 * CA, because hosts that are only tunnelled still show their real certificates.
 */
import { keepBypassEntries } from './proxy-bypass.ts'

export type VariableKind =
  /** The proxy URL; set in lower and in upper case. */
  | 'proxy'
  /** Hosts that are reached directly; set in lower and in upper case. */
  | 'bypass'
  /** A fixed value. */
  | 'fixed'
  /** A PEM file whose certificates come on top of the client's own roots. */
  | 'adds-roots'
  /** A PEM file that the client uses instead of its own roots. */
  | 'replaces-roots'
  /** Like `replaces-roots`, but set only over an inherited value. */
  | 'replaces-roots-if-inherited'
  /** Taken out of the environment. */
  | 'removed'

export interface ChildVariable {
  /** As written in documentation; `proxy` and `bypass` exist in the other case too. */
  readonly name: string
  readonly kind: VariableKind
  /** Who reads it, and anything a reader must know; one line. */
  readonly readBy: string
  /** Of `fixed` variables only. */
  readonly value?: string
}

/** Every variable that is set or removed. NODE_OPTIONS is not: old Node refuses to start over it. */
export const childVariables: readonly ChildVariable[] = [
  { name: 'HTTP_PROXY', kind: 'proxy', readBy: 'nearly all clients; curl reads lower case only' },
  { name: 'HTTPS_PROXY', kind: 'proxy', readBy: 'nearly all clients; wget reads lower case only' },
  { name: 'ALL_PROXY', kind: 'proxy', readBy: 'curl, git, httpx, reqwest (Codex), .NET' },
  { name: 'NO_PROXY', kind: 'bypass', readBy: 'all that read HTTPS_PROXY' },
  {
    name: 'NODE_USE_ENV_PROXY',
    kind: 'fixed',
    value: '1',
    readBy: 'Node 22.21 and later, 24 and later: fetch and node:https then read HTTPS_PROXY',
  },
  {
    name: 'GIT_HTTP_PROXY_AUTHMETHOD',
    kind: 'fixed',
    value: 'basic',
    readBy: 'git: sends the token at once instead of after a refusal',
  },
  {
    name: 'NODE_EXTRA_CA_CERTS',
    kind: 'adds-roots',
    readBy: 'Node, Bun, Deno; Claude Code, Gemini CLI, opencode, Copilot CLI, npm, yarn, VS Code',
  },
  { name: 'DENO_CERT', kind: 'adds-roots', readBy: 'Deno' },
  // Codex adds these to the system's roots, yet may replace them in another version: the bundle
  // is right in both.
  {
    name: 'CODEX_CA_CERTIFICATE',
    kind: 'replaces-roots',
    readBy: 'Codex CLI, before SSL_CERT_FILE',
  },
  {
    name: 'SSL_CERT_FILE',
    kind: 'replaces-roots',
    readBy:
      'OpenSSL programs: Python ssl, httpx (openai and anthropic for Python), Ruby, PHP; Go, Rust, .NET on Linux; Bun',
  },
  { name: 'REQUESTS_CA_BUNDLE', kind: 'replaces-roots', readBy: 'Python requests' },
  { name: 'CURL_CA_BUNDLE', kind: 'replaces-roots', readBy: 'curl, Python requests' },
  { name: 'AWS_CA_BUNDLE', kind: 'replaces-roots', readBy: 'AWS CLI, boto3' },
  { name: 'GIT_SSL_CAINFO', kind: 'replaces-roots', readBy: 'git, which ignores SSL_CERT_FILE' },
  { name: 'CARGO_HTTP_CAINFO', kind: 'replaces-roots', readBy: 'cargo' },
  { name: 'PIP_CERT', kind: 'replaces-roots', readBy: 'pip' },
  { name: 'HTTPLIB2_CA_CERTS', kind: 'replaces-roots', readBy: 'Python httplib2 (Google clients)' },
  { name: 'CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE', kind: 'replaces-roots', readBy: 'gcloud' },
  {
    name: 'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH',
    kind: 'replaces-roots',
    readBy: 'gRPC for C++, Python, Ruby, PHP and Node',
  },
  { name: 'NIX_SSL_CERT_FILE', kind: 'replaces-roots', readBy: 'programs from Nix' },
  // npm and yarn already trust NODE_EXTRA_CA_CERTS. Setting these over nothing could hide a CA
  // that the user named in .npmrc, and yarn 2 stops at a setting that it does not know.
  { name: 'npm_config_cafile', kind: 'replaces-roots-if-inherited', readBy: 'npm, pnpm' },
  {
    name: 'YARN_HTTPS_CA_FILE_PATH',
    kind: 'replaces-roots-if-inherited',
    readBy: 'yarn 3 and later',
  },
  {
    name: 'NODE_TLS_REJECT_UNAUTHORIZED',
    kind: 'removed',
    readBy: 'Node: 0 would accept any certificate, and the CA makes it needless',
  },
]

export interface ChildEnvironmentInput {
  readonly parent: NodeJS.ProcessEnv
  /** `http://porthole:TOKEN@127.0.0.1:PORT`. */
  readonly proxyUrl: string
  /** The CA alone; with `extraRootFiles(parent)` appended where that names any. */
  readonly caCertPath: string
  /**
   * The system's roots, what `replacedRootFiles(parent)` names, and the CA. Undefined if no system
   * roots were found: then no variable that replaces roots is touched, because the CA alone would
   * break every host that is tunnelled.
   */
  readonly bundlePath: string | undefined
  readonly platform: NodeJS.Platform
  /** What is decrypted, as host patterns; a user's NO_PROXY may not bypass these. */
  readonly interceptedHosts?: readonly string[]
  /** Java reads no proxy or trust variable; given a truststore, JAVA_TOOL_OPTIONS names it. */
  readonly java?: { readonly truststorePath: string; readonly truststorePassword: string }
}

export interface ChildEnvironment {
  readonly env: NodeJS.ProcessEnv
  /** What the user should be told, one line each. */
  readonly notes: readonly string[]
}

/** The parent's environment with the variables of the table applied; `parent` is not changed. */
export function childEnvironment(input: ChildEnvironmentInput): ChildEnvironment {
  const { parent, platform } = input
  const env: NodeJS.ProcessEnv = { ...parent }
  const notes: string[] = []
  for (const variable of childVariables) {
    const { name } = variable
    if (variable.kind === 'removed') {
      unset(env, name, platform)
    } else if (variable.kind === 'bypass') {
      const inherited = [readVariable(parent, name, platform), parent[name.toLowerCase()]]
      const bypass = keepBypassEntries(inherited, input.interceptedHosts ?? [])
      notes.push(...bypass.notes)
      setBothCases(env, name, bypass.value, platform)
    } else if (variable.kind === 'proxy') {
      setBothCases(env, name, input.proxyUrl, platform)
    } else {
      const value = valueOf(variable, input)
      if (value !== undefined) set(env, name, value, platform)
    }
  }
  if (input.java !== undefined) {
    const own = javaOptions(input.java, input.proxyUrl)
    const inherited = readVariable(parent, 'JAVA_TOOL_OPTIONS', platform)
    set(env, 'JAVA_TOOL_OPTIONS', inherited ? `${inherited} ${own}` : own, platform)
  }
  return { env, notes }
}

/** PEM files that the parent adds to its roots: the caller appends them to `caCertPath`. */
export function extraRootFiles(parent: NodeJS.ProcessEnv, platform: NodeJS.Platform): string[] {
  return inheritedFiles(parent, platform, (kind) => kind === 'adds-roots')
}

/** PEM files that the parent uses as its roots: the caller merges them into `bundlePath`. */
export function replacedRootFiles(parent: NodeJS.ProcessEnv, platform: NodeJS.Platform): string[] {
  return inheritedFiles(parent, platform, (kind) => kind.startsWith('replaces-roots'))
}

function inheritedFiles(
  parent: NodeJS.ProcessEnv,
  platform: NodeJS.Platform,
  wanted: (kind: VariableKind) => boolean,
): string[] {
  const files = childVariables
    .filter((variable) => wanted(variable.kind))
    .map((variable) => readVariable(parent, variable.name, platform) ?? '')
  return [...new Set(files.filter((file) => file !== ''))]
}

function valueOf(variable: ChildVariable, input: ChildEnvironmentInput): string | undefined {
  const inherited = readVariable(input.parent, variable.name, input.platform)
  switch (variable.kind) {
    case 'fixed':
      return variable.value
    case 'adds-roots':
      return input.caCertPath
    case 'replaces-roots':
      return input.bundlePath
    case 'replaces-roots-if-inherited':
      return inherited ? input.bundlePath : undefined
    default:
      return undefined
  }
}

/**
 * Java's own HTTPS clients refuse Basic authentication to a proxy for tunnels
 * (jdk.http.auth.tunneling.disabledSchemes), so a proxy that demands a token is not named to them:
 * going direct and unseen is better than every call failing with 407.
 */
function javaOptions(
  java: { readonly truststorePath: string; readonly truststorePassword: string },
  proxyUrl: string,
): string {
  const { hostname, port, username } = new URL(proxyUrl)
  const trust = [
    `-Djavax.net.ssl.trustStore=${java.truststorePath}`,
    `-Djavax.net.ssl.trustStorePassword=${java.truststorePassword}`,
  ]
  const proxy = ['http', 'https'].flatMap((scheme) => [
    `-D${scheme}.proxyHost=${hostname}`,
    `-D${scheme}.proxyPort=${port}`,
  ])
  const bypass = '-Dhttp.nonProxyHosts=localhost|127.*|[::1]'
  const options = username === '' ? [...trust, ...proxy, bypass] : trust
  return options.map((option) => (/\s/u.test(option) ? `"${option}"` : option)).join(' ')
}

function setBothCases(
  env: NodeJS.ProcessEnv,
  name: string,
  value: string,
  platform: NodeJS.Platform,
): void {
  set(env, name, value, platform)
  // Windows names ignore case: a second spelling would be a duplicate.
  if (platform !== 'win32') env[name.toLowerCase()] = value
}

function set(env: NodeJS.ProcessEnv, name: string, value: string, platform: NodeJS.Platform): void {
  unset(env, name, platform)
  env[name] = value
}

function unset(env: NodeJS.ProcessEnv, name: string, platform: NodeJS.Platform): void {
  for (const key of spellings(env, name, platform)) delete env[key]
}

function readVariable(
  env: NodeJS.ProcessEnv,
  name: string,
  platform: NodeJS.Platform,
): string | undefined {
  const key = spellings(env, name, platform)[0]
  return key === undefined ? undefined : env[key]
}

function spellings(env: NodeJS.ProcessEnv, name: string, platform: NodeJS.Platform): string[] {
  if (platform !== 'win32') return name in env ? [name] : []
  return Object.keys(env).filter((key) => key.toLowerCase() === name.toLowerCase())
}
