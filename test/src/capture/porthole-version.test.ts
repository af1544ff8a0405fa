import { readFileSync } from 'node:fs'

import { expect, test } from 'vitest'

import { readPortholeVersion } from '../../../src/capture/porthole-version.ts'

test('is the version that the package names', () => {
  const file = new URL('../../../package.json', import.meta.url)
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }

  expect(readPortholeVersion()).toBe(version)
})
