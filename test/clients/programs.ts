/** The coding agents and runtimes that are tried: how each is installed, asked, and given a key. */
import { join } from 'node:path'

export interface ClientRow {
  readonly name: string
  /** npm package that brings it. */
  readonly package: string
  readonly bin: string
  /** Where its question goes, and so whose key it must not have. */
  readonly host: string
  readonly env?: Readonly<Record<string, string>>
  /** `script` is the small program for runtimes. */
  args(question: string, script: string): readonly string[]
}

export const clientRows: readonly ClientRow[] = [
  {
    name: 'claude',
    package: '@anthropic-ai/claude-code',
    bin: 'claude',
    host: 'api.anthropic.com',
    args: (question) => ['-p', question],
  },
  {
    name: 'codex',
    package: '@openai/codex',
    bin: 'codex',
    host: 'api.openai.com',
    args: (question) => ['exec', '--skip-git-repo-check', question],
  },
  {
    name: 'gemini',
    package: '@google/gemini-cli',
    bin: 'gemini',
    host: 'generativelanguage.googleapis.com',
    env: { GEMINI_CLI_TRUST_WORKSPACE: 'true' },
    // Named, or it asks a second model first which one to ask.
    args: (question) => ['--model', 'gemini-2.5-pro', '-p', question],
  },
  {
    name: 'opencode',
    package: 'opencode-ai',
    bin: 'opencode',
    host: 'api.openai.com',
    args: (question) => ['run', '--model', 'openai/gpt-5', question],
  },
  {
    name: 'bun',
    package: 'bun',
    bin: 'bun',
    host: 'api.openai.com',
    args: (_question, script) => ['run', script],
  },
  {
    name: 'deno',
    package: 'deno',
    bin: 'deno',
    host: 'api.openai.com',
    args: (_question, script) => ['run', '--allow-net', '--allow-env', script],
  },
]

/** Asks with nothing but fetch, as a program of one's own does. */
export function fetchScript(question: string): string {
  return `const response = await fetch('https://api.openai.com/v1/chat/completions', {
  method: 'POST',
  headers: {
    'Content-Type': 'application/json',
    Authorization: 'Bearer ' + globalThis.process.env.OPENAI_API_KEY,
  },
  body: JSON.stringify({
    model: 'gpt-5',
    stream: true,
    messages: [{ role: 'user', content: ${JSON.stringify(question)} }],
  }),
})
console.log(await response.text())
`
}

export function binaryOf({ bin }: ClientRow, folder: string): string {
  return join(folder, 'node_modules', '.bin', bin)
}
