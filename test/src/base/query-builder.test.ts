import { expect, test } from 'vitest'

import { createQueryBuilder } from '../../../src/base/query-builder.ts'

test('a query is compiled with its values apart', () => {
  const tables = createQueryBuilder<{ calls: { id: number; model: string } }>()
  const query = tables.selectFrom('calls').select('id').where('model', '=', `x' or 1`)
  expect(query.compile()).toMatchObject({
    sql: 'select "id" from "calls" where "model" = ?',
    parameters: [`x' or 1`],
  })
})
