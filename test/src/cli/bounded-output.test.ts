import { expect, test } from 'vitest'

import { createBoundedOutput } from '../../../src/cli/bounded-output.ts'

/** An output whose reader takes nothing until the test says so. */
function blocked(): {
  writable: boolean
  writableLength: number
  lines: string[]
  write(line: string): boolean
} {
  const lines: string[] = []
  return {
    writable: true,
    writableLength: 0,
    lines,
    write(line) {
      lines.push(line)
      this.writableLength += line.length
      return false
    },
  }
}

const tellLost = ({ count, bytes }: { count: number; bytes: number }): string =>
  `lost ${count}, ${bytes}\n`

test('lines beyond the bound are dropped, and told once there is room', () => {
  const output = blocked()
  const bounded = createBoundedOutput(output, 10)

  for (const line of ['123456\n', '654321\n', 'gone\n', 'too\n']) bounded.write(line, tellLost)
  output.writableLength = 0
  bounded.write('again\n', tellLost)
  output.writableLength = 0
  bounded.write('more\n', tellLost)

  expect(output.lines).toEqual(['123456\n', '654321\n', 'lost 2, 9\n', 'again\n', 'more\n'])
})

test('nothing is written to a reader that has gone', () => {
  const output = blocked()
  output.writable = false

  createBoundedOutput(output, 10).write('line\n', tellLost)

  expect(output.lines).toEqual([])
})
