import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import { expect, test } from 'vitest'

const collector = new URL('../../../src/cli/collector.ts', import.meta.url).href

/** Size of the young generation, in bytes, of a process that has allocated what lives for a while. */
async function youngGeneration(isKeptSmall: boolean): Promise<number> {
  const program = `
    import v8 from 'node:v8'
    const { keepYoungGenerationSmall } = await import(${JSON.stringify(collector)})
    if (${isKeptSmall}) keepYoungGenerationSmall()
    const kept = []
    for (let turn = 0; turn < 2_000_000; turn += 1) kept[turn % 100_000] = { turn, text: [turn] }
    const spaces = v8.getHeapSpaceStatistics()
    console.log(spaces.find(({ space_name: name }) => name === 'new_space').space_size)`
  const args = ['--input-type=module', '--eval', program]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args)
  expect(stderr).toBe('')
  return Number(stdout)
}

test('the young generation does not grow where it is kept small, and would otherwise', async () => {
  const small = await youngGeneration(true)
  const usual = await youngGeneration(false)

  expect(small).toBeLessThanOrEqual(4 * 1024 * 1024)
  expect(usual).toBeGreaterThan(small)
})
