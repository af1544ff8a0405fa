import { describe, expect, test } from 'vitest'

import type { CliContext } from '../../../src/cli/context.ts'
import { askerOf } from '../../../src/cli/hidden-prompt.ts'
import { canary } from '../../support/canary.ts'
import { typedInput } from '../../support/typed-input.ts'
import type { TypedInput } from '../../support/typed-input.ts'

function ask({ stdin, stderr }: TypedInput): Promise<string> {
  const context = { stdin, stderr } as unknown as Pick<CliContext, 'stdin' | 'stderr'>
  return askerOf(context)?.('Value: ') ?? Promise.reject(new Error('nobody to ask'))
}

describe('what is asked for on a terminal', () => {
  test('is not shown, however fast it is typed', async () => {
    const terminal = typedInput([`${canary}\r`])

    expect(await ask(terminal)).toBe(canary)
    expect(terminal.shown()).toBe('Value: \n')
    expect(terminal.stdin.isRaw).toBe(false)
  })

  test.each([
    ['Ctrl-C', 'half\u0003'],
    ['Ctrl-D', 'half\u0004'],
  ])('is given up with %s, and the terminal is as it was', async (_name, keys) => {
    const terminal = typedInput([keys])

    await expect(ask(terminal)).rejects.toMatchObject({ code: 'ERR_USAGE' })
    expect(terminal.stdin.isRaw).toBe(false)
    expect(terminal.shown()).toBe('Value: \n')
  })

  test('can be corrected, and ends with the first line', async () => {
    const terminal = typedInput(['sk-wrong\b\b\u007F\b\bright\nls\n'])

    expect(await ask(terminal)).toBe('sk-right')
  })
})
