/**
 * Token counts of OpenAI's answers that keep them in a shape of their own: images, audio,
 * transcripts, Realtime and runs of assistants. What is billed by the minute or the picture reports
 * no tokens, and so has no usage here.
 */
import type { JsonRecord } from '../wire/json.ts'
import { recordOf } from '../wire/json.ts'
import type { ReportedUsage } from './usage.ts'
import { fromInclusive, givenCount } from './usage.ts'

/** `usage` with `input_token_details` or, in some, `input_tokens_details`. */
export function readMediaUsage(answer: JsonRecord): ReportedUsage | undefined {
  const usage = recordOf(answer['usage'])
  const input = recordOf(usage['input_token_details'] ?? usage['input_tokens_details'])
  const output = recordOf(usage['output_token_details'] ?? usage['output_tokens_details'])
  const cached = givenCount(input['cached_tokens']) ?? 0
  const images = givenCount(input['image_tokens']) ?? 0
  const inputAudio = givenCount(input['audio_tokens']) ?? 0
  return fromInclusive({
    input: givenCount(usage['input_tokens']),
    output: givenCount(usage['output_tokens']),
    total: givenCount(usage['total_tokens']),
    cacheRead: cached,
    cacheWrite: undefined,
    reasoning: undefined,
    inputAudio:
      inputAudio - (givenCount(recordOf(input['cached_tokens_details'])['audio_tokens']) ?? 0),
    outputAudio: givenCount(output['audio_tokens']),
    // Pictures in a prompt, and sound in the cache, have rates of their own.
    isSpecial: images > 0 || (cached > 0 && inputAudio > 0),
  })
}

/** `usage` of a run, which is null until the run has ended. */
export function readRunUsage(run: JsonRecord): ReportedUsage | undefined {
  const usage = recordOf(run['usage'])
  return fromInclusive({
    input: givenCount(usage['prompt_tokens']),
    output: givenCount(usage['completion_tokens']),
    total: givenCount(usage['total_tokens']),
    cacheRead: givenCount(recordOf(usage['prompt_token_details'])['cached_tokens']),
    cacheWrite: undefined,
    reasoning: undefined,
    inputAudio: undefined,
    outputAudio: undefined,
    // Its built-in tools are billed apart.
    isSpecial: Array.isArray(run['tools']) && run['tools'].some(isPaidTool),
  })
}

function isPaidTool(tool: JsonRecord[string]): boolean {
  const { type } = recordOf(tool)
  return type === 'code_interpreter' || type === 'file_search'
}
