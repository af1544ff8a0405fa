import { cleanup, render } from 'ink-testing-library'
import { afterEach, expect, it } from 'vitest'

import { Help } from '../../../../src/tui/components/help.tsx'
import { keyMaps } from '../../../../src/tui/keys.ts'
import { plainTheme } from '../../../../src/tui/theme.ts'
import { withoutColors } from '../hostile-text.ts'

afterEach(cleanup)

function draw(width: number, height: number): string[] {
  const help = <Help width={width} height={height} theme={plainTheme} />
  return withoutColors(render(help).lastFrame() ?? '').split('\n')
}

it.each([
  [80, 22],
  [40, 40],
])('prints every binding of the key map on %d by %d cells', (width, height) => {
  const text = draw(width, height).join('\n')

  for (const { help } of Object.values(keyMaps).flat()) expect(text).toContain(help)
  expect(text).not.toContain('…')
})

it('is cut to a small terminal', () => {
  const lines = draw(20, 3)

  expect(lines).toHaveLength(3)
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(20)
})
