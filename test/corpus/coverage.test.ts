/** How much of the recorded traffic the analyzers understand, as a table and as totals that hold. */
import { describe, expect, test } from 'vitest'

import { corpusPath, readCorpus } from '../support/recorded-exchanges.ts'
import { coverageOf, coverageTable, totalOf } from './coverage.ts'

describe.skipIf(corpusPath === undefined)('coverage', () => {
  test('x', () => {
    const rows = coverageOf(readCorpus())
    process.stdout.write(
      coverageTable([...rows, totalOf(rows)]) + '\n' + totalOf(rows).problems.join('\n') + '\n',
    )
    expect(rows.length).toBeGreaterThan(1)
  })
})
