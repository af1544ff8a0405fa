import { expect, test } from 'vitest'

import { BodyUnavailable } from '../../../src/pipeline/body-unavailable.ts'

test('it says what becomes of the request', () => {
  const error = new BodyUnavailable(413, 'body-too-large', 'too large')

  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ status: 413, reason: 'body-too-large', message: 'too large' })
})
