/** Captures as a proxy writes them: transcripts through the analyzers, into a file of the writer. */
import { defaultAnalyzers, FileLogger } from '../../analyzers/index.ts'
import type { AnalysisMsg } from '../../src/messages/schema.ts'
import type { Step } from './agent-transcripts.ts'
import { messagesOf } from './agent-transcripts.ts'
import { runAnalyzers } from './run-analyzers.ts'

/** Appends what `messages` come to; a capture that is there already is written on. */
async function record(
  path: string,
  messages: readonly AnalysisMsg[],
  options: { readonly maxBytes?: number } = {},
): Promise<void> {
  const logger = new FileLogger(path, { queueBytes: 1e9, ...options })
  runAnalyzers([...defaultAnalyzers(), logger], messages)
  await logger.close()
}

export async function recordSteps(
  path: string,
  steps: readonly Step[],
  options: { readonly maxBytes?: number } = {},
): Promise<void> {
  await record(path, messagesOf(steps), options)
}

/** A chat with OpenAI's API, each turn with the whole history, as `x1`, `x2`, …. */
export function chatSteps(
  turns: ReadonlyArray<{ readonly asked: string; readonly answered: string }>,
  { id = 'x', at = 0, system = 'Answer in one word.' } = {},
): Step[] {
  const history: object[] = [{ role: 'system', content: system }]
  return turns.map(({ asked, answered }, index) => {
    history.push({ role: 'user', content: asked })
    const messages = [...history]
    history.push({ role: 'assistant', content: answered })
    return {
      id: `${id}${index + 1}`,
      at: at + index * 1000,
      url: 'https://api.openai.com/v1/chat/completions',
      body: { model: 'gpt-4o', messages },
      answer: {
        id: `chatcmpl-${id}${index}`,
        object: 'chat.completion',
        model: 'gpt-4o-2024-08-06',
        choices: [
          { index: 0, message: { role: 'assistant', content: answered }, finish_reason: 'stop' },
        ],
        usage: { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 },
      },
    }
  })
}
