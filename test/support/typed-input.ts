/** A terminal as a prompt has it: keys that are typed as soon as something is asked. */
import { PassThrough, Writable } from 'node:stream'

export interface TypedInput {
  readonly stdin: PassThrough & { isTTY: true; isRaw: boolean; setRawMode(isRaw: boolean): void }
  /** What the terminal shows: what is printed, and keys that it echoes by itself. */
  readonly shown: () => string
  readonly stderr: Writable
  /** What was asked, in order. */
  readonly asked: readonly string[]
}

/** Types the next of `keys` at once whenever a question is printed, as a fast user or a script does. */
export function typedInput(keys: readonly string[]): TypedInput {
  const rest = [...keys]
  const asked: string[] = []
  let screen = ''
  const stdin = Object.assign(new PassThrough(), {
    isTTY: true as const,
    isRaw: false,
    setRawMode(isRaw: boolean) {
      stdin.isRaw = isRaw
    },
  })
  const stderr = new Writable({
    write(chunk: Buffer, _encoding, done) {
      const text = chunk.toString()
      screen += text
      if (text.endsWith(': ')) {
        asked.push(text)
        const typed = rest.shift() ?? ''
        if (!stdin.isRaw) screen += typed
        stdin.write(typed)
      }
      done()
    },
  })
  return { stdin, stderr, asked, shown: () => screen }
}
