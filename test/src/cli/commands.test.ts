import { Command } from 'commander'
import { describe, expect, test } from 'vitest'

import { addCommands, commandNames } from '../../../src/cli/commands.ts'
import type { CliContext } from '../../../src/cli/context.ts'

const context = { stdout: {}, stderr: {}, stdin: {}, env: {} } as unknown as CliContext

async function programWith(words: readonly string[]): Promise<Command> {
  const program = new Command('porthole').enablePositionalOptions()
  await addCommands(program, context, words)
  return program
}

describe('the commands', () => {
  test('are listed alike, whether they were loaded or not', async () => {
    const listed = (await programWith([])).helpInformation()
    expect((await programWith(commandNames)).helpInformation()).toBe(listed)
    for (const name of commandNames) {
      expect((await programWith([name])).helpInformation(), name).toBe(listed)
    }
  })

  test('are loaded wherever among the words their name stands, and no others are', async () => {
    const program = await programWith(['help', 'secrets', '--', 'demo'])
    const whole = program.commands.filter((command) => command.description() !== '')
    expect(whole.map((command) => command.name())).toEqual(['secrets', 'demo'])
  })
})
