/** Asks for something on the terminal without showing what is typed. */
import { AppError } from '../base/errors.ts'
import type { CliContext } from './context.ts'

/** Longest answer, in characters. */
const mostCharacters = 16 * 1024

/** The way to ask a user; undefined where the standard input is no terminal. */
export function askerOf(
  context: Pick<CliContext, 'stdin' | 'stderr'>,
): ((question: string) => Promise<string>) | undefined {
  return context.stdin.isTTY ? (question) => askHidden(context, question) : undefined
}

/** Rejects with `ERR_USAGE` where the user gives up. */
function askHidden(
  { stdin, stderr }: Pick<CliContext, 'stdin' | 'stderr'>,
  question: string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const wasRaw = stdin.isRaw
    const finish = (): void => {
      stdin.off('data', onData).off('end', onEnd)
      stdin.setRawMode(wasRaw)
      stdin.pause()
      stderr.write('\n')
    }
    const giveUp = (): void => {
      finish()
      reject(new AppError('ERR_USAGE', { problem: 'nothing was entered', next: 'try again' }))
    }
    const onEnd = giveUp
    const onData = (chunk: Buffer | string): void => {
      for (const character of chunk.toString('utf8')) {
        if (character === '\r' || character === '\n') {
          finish()
          resolve(answer)
          return
        }
        // Ctrl-C and Ctrl-D; in raw mode they are characters.
        if (character === '\u0003' || character === '\u0004') return giveUp()
        if (character === '\u007F' || character === '\b') answer = answer.slice(0, -1)
        else if (answer.length < mostCharacters) answer += character
      }
    }
    // Before the question: whoever answers at once would be shown by the terminal.
    stdin.setRawMode(true)
    stdin.on('data', onData).on('end', onEnd)
    stdin.resume()
    stderr.write(question)
  })
}

/** Everything on standard input up to its end, without the line break that ends it. */
export async function readPiped(stdin: NodeJS.ReadableStream, mostBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stdin) {
    const part = Buffer.from(chunk)
    chunks.push(part)
    bytes += part.byteLength
    if (bytes > mostBytes) {
      throw new AppError('ERR_SECRET_INVALID', { problem: 'the standard input is too long' })
    }
  }
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/u, '')
}
