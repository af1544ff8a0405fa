/** Streams that look like a terminal to Ink, for tests without one. */
import { PassThrough, Writable } from 'node:stream'

export interface FakeTerminal {
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  /** Everything written so far, in order. */
  readonly writes: readonly string[]
  /** What was written last. */
  frame(): string
  press(keys: string): void
  resize(columns: number, rows: number): void
  /** From now on every write fails with this code, as a terminal that is gone does. */
  breakOutput(code: string): void
  isRaw(): boolean
}

export function openFakeTerminal(columns: number, rows: number): FakeTerminal {
  const writes: string[] = []
  let failure: string | undefined
  let isRaw = false
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (failure !== undefined) {
        done(Object.assign(new Error(`write ${failure}`), { code: failure }))
        return
      }
      writes.push(chunk.toString())
      done()
    },
  })
  const stdout = Object.assign(output, { isTTY: true, columns, rows })
  const input = new PassThrough()
  const stdin = Object.assign(input, {
    isTTY: true,
    ref: () => input,
    unref: () => input,
    setRawMode: (mode: boolean) => {
      isRaw = mode
      return input
    },
  })
  return {
    stdin: stdin as unknown as NodeJS.ReadStream,
    stdout: stdout as unknown as NodeJS.WriteStream,
    writes,
    frame: () => writes.at(-1) ?? '',
    press(keys) {
      input.write(keys)
    },
    resize(toColumns, toRows) {
      Object.assign(stdout, { columns: toColumns, rows: toRows })
      stdout.emit('resize')
    },
    breakOutput(code) {
      failure = code
    },
    isRaw: () => isRaw,
  }
}
