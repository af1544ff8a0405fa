/**
 * The program that `porthole demo` runs: an ordinary user of two model providers, which knows
 * nothing of Porthole. Proxy and trust come from its environment alone. It uses the official SDKs
 * where they are installed (a checkout) and fetch where they are not, or with `--fetch`. With
 * `--first` it makes one call with fetch and ends.
 */
import type { DemoCalls } from './demo-calls.ts'
import { createFetchCalls } from './fetch-calls.ts'
import { createSdkCalls } from './sdk-calls.ts'

const write = (text: string): void => void process.stdout.write(text)

/** Without this check, a Node that ignores the proxy would call the real providers. */
function whyNot(): string | undefined {
  const { env, versions } = process
  const [major = 0, minor = 0] = versions.node.split('.').map(Number)
  if ((env['HTTPS_PROXY'] ?? '') === '' || env['NODE_USE_ENV_PROXY'] !== '1') {
    return 'this program is part of the demo; start it with: porthole demo'
  }
  if (major < 22 || major === 23 || (major === 22 && minor < 21)) {
    return `Node ${versions.node} does not read HTTPS_PROXY; the demo needs Node 22.21 or later`
  }
  return undefined
}

async function tell(title: string, call: () => Promise<void>): Promise<void> {
  write(`\n${title}\n  `)
  try {
    await call()
    write('\n')
  } catch (error) {
    write(`failed: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}

async function main(): Promise<void> {
  const problem = whyNot()
  if (problem !== undefined) {
    process.stderr.write(`${problem}\n`)
    process.exitCode = 2
    return
  }
  if (process.argv.includes('--first')) {
    await tell('What is 10 + 5?', () => createFetchCalls().chatStream(write))
    return
  }
  const sdk = process.argv.includes('--fetch') ? undefined : await createSdkCalls()
  const calls: DemoCalls = sdk ?? createFetchCalls()
  write(`Asking two providers, ${calls.description}.\n`)
  await tell('What is 10 + 5?  (gpt-4o-mini, streamed)', () => calls.chatStream(write))
  await tell('Create a symphony in D major.  (gpt-4o, with a tool)', () =>
    calls.responsesStream(write),
  )
  await tell('Embed a sentence.  (text-embedding-ada-002)', () => calls.embeddings(write))
  await tell('Ask a model that is gone.  (gpt-3.5-turbo-0613)', () => calls.missingModel(write))
  await tell("How many r's are in strawberry?  (claude-3-7-sonnet, thinking)", () =>
    calls.messagesStream(write),
  )
}

await main()
