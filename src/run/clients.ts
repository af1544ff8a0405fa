/**
 * Which known agent a command line starts, and the hosts where it reaches its models. This reads
 * the command's words only; it neither searches PATH nor opens files. Hosts are model hosts: a
 * client's telemetry, login and update hosts stay undecrypted.
 */

export type ClientName = 'claude' | 'codex' | 'gemini' | 'opencode' | 'copilot'

export interface RecognisedClient {
  readonly client: ClientName
  readonly displayName: string
  /** Host names, to be added to the allowlist. */
  readonly hosts: readonly string[]
}

interface ClientRow extends RecognisedClient {
  /** npm package that holds it. */
  readonly package: string
}

const clients: readonly ClientRow[] = [
  {
    client: 'claude',
    displayName: 'Claude Code',
    package: '@anthropic-ai/claude-code',
    hosts: ['api.anthropic.com'],
  },
  {
    client: 'codex',
    displayName: 'Codex CLI',
    package: '@openai/codex',
    // chatgpt.com serves the models to those who log in with ChatGPT instead of a key.
    hosts: ['api.openai.com', 'chatgpt.com'],
  },
  {
    client: 'gemini',
    displayName: 'Gemini CLI',
    package: '@google/gemini-cli',
    hosts: ['generativelanguage.googleapis.com', 'cloudcode-pa.googleapis.com'],
  },
  {
    client: 'opencode',
    displayName: 'opencode',
    package: 'opencode-ai',
    hosts: [
      'api.anthropic.com',
      'api.openai.com',
      'generativelanguage.googleapis.com',
      'openrouter.ai',
      'opencode.ai',
    ],
  },
  {
    client: 'copilot',
    displayName: 'GitHub Copilot CLI',
    package: '@github/copilot',
    hosts: [
      'api.githubcopilot.com',
      'api.individual.githubcopilot.com',
      'api.business.githubcopilot.com',
      'api.enterprise.githubcopilot.com',
    ],
  },
]

/** Options of the runners below that take their value as the next word. */
const optionsWithValue = new Set([
  '-p',
  '--package',
  '--prefix',
  '--cache',
  '--registry',
  '-r',
  '--require',
  '--import',
  '--loader',
  '--env-file',
  '-C',
])
/** Package runners: the first plain word after them (and after `exec`, `dlx`, `x`) is the program. */
const packageRunners = new Set(['npx', 'bunx', 'pnpx', 'npm', 'pnpm', 'yarn', 'bun'])
const runnerVerbs = new Set(['exec', 'dlx', 'x', 'run'])
const scriptRunners = new Set(['node', 'bun', 'deno'])
/** Programs that only start another one. */
const wrappers = new Set([
  'env',
  'exec',
  'nice',
  'nohup',
  'command',
  'time',
  'stdbuf',
  'caffeinate',
])

/** The client that `command` starts, directly or through npx, node and the like; else undefined. */
export function recogniseClient(
  command: string,
  args: readonly string[],
): RecognisedClient | undefined {
  const name = programName(command)
  const direct = clients.find((row) => row.client === name)
  if (direct !== undefined) return withoutPackage(direct)
  if (wrappers.has(name)) {
    const rest = dropWhile(args, (word) => word.startsWith('-') || /^\w+=/u.test(word))
    const [next, ...others] = rest
    return next === undefined ? undefined : recogniseClient(next, others)
  }
  if (packageRunners.has(name)) {
    const found = byPackage(firstPlainWord(args, runnerVerbs)) ?? byPackage(packageOption(args))
    if (found !== undefined) return found
  }
  return scriptRunners.has(name) ? byScript(firstPlainWord(args, runnerVerbs)) : undefined
}

/** What the user is told when hosts were added for a client that was recognised. */
export function recognitionNotice(client: RecognisedClient): string {
  return `${client.displayName} recognised: showing its calls to ${client.hosts.join(', ')}`
}

function withoutPackage({ client, displayName, hosts }: ClientRow): RecognisedClient {
  return { client, displayName, hosts }
}

/** `/usr/bin/Claude.CMD` → `claude`. */
function programName(command: string): string {
  const base = command.split(/[/\\]/u).at(-1) ?? ''
  return base.toLowerCase().replace(/\.(?:cmd|exe|bat|ps1)$/u, '')
}

/** `@openai/codex@latest`, or the bare name of the program in the package. */
function byPackage(word: string | undefined): RecognisedClient | undefined {
  if (word === undefined) return undefined
  const name = word.replace(/(?<=.)@[^/]*$/u, '')
  const row = clients.find((row) => row.package === name || row.client === name)
  return row === undefined ? undefined : withoutPackage(row)
}

/** `…/node_modules/@openai/codex/bin/codex.js`, or a linked `…/bin/codex`. */
function byScript(path: string | undefined): RecognisedClient | undefined {
  if (path === undefined) return undefined
  const normal = path.replaceAll('\\', '/')
  const row = clients.find(
    (row) =>
      normal.includes(`/node_modules/${row.package}/`) ||
      normal.startsWith(`node_modules/${row.package}/`) ||
      new RegExp(`(?:^|/)${row.client}(?:\\.[cm]?js)?$`, 'u').test(normal),
  )
  return row === undefined ? undefined : withoutPackage(row)
}

function firstPlainWord(args: readonly string[], verbs: ReadonlySet<string>): string | undefined {
  let verbAllowed = true
  for (let index = 0; index < args.length; index += 1) {
    const word = args[index] ?? ''
    if (word === '--') continue
    if (word.startsWith('-')) {
      if (optionsWithValue.has(word)) index += 1
    } else if (verbAllowed && verbs.has(word)) {
      verbAllowed = false
    } else {
      return word
    }
  }
  return undefined
}

/** The value of `npx -p PACKAGE`. */
function packageOption(args: readonly string[]): string | undefined {
  const index = args.findIndex((word) => word === '-p' || word === '--package')
  if (index >= 0) return args[index + 1]
  return args.find((word) => word.startsWith('--package='))?.slice('--package='.length)
}

function dropWhile(words: readonly string[], drop: (word: string) => boolean): readonly string[] {
  const start = words.findIndex((word) => !drop(word))
  return start < 0 ? [] : words.slice(start)
}
