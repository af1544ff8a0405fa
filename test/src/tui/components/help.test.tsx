import { cleanup, render } from 'ink-testing-library'
import { afterEach, expect, it } from 'vitest'

import { filterGrammar } from '../../../../src/query/filter-grammar.ts'
import { Help } from '../../../../src/tui/components/help.tsx'
import { keyMaps } from '../../../../src/tui/keys.ts'
import { plainTheme } from '../../../../src/tui/theme.ts'
import { withoutColors } from '../hostile-text.ts'

afterEach(cleanup)

function draw(width: number, height: number): string[] {
  const help = <Help width={width} height={height} top={0} theme={plainTheme} />
  return withoutColors(render(help).lastFrame() ?? '').split('\n')
}

it.each([
  [80, 100],
  [40, 200],
])('prints every binding of the key map on %d by %d cells', (width, height) => {
  const text = draw(width, height).join('\n')

  for (const [screen, map] of Object.entries(keyMaps)) {
    // What asks a question says itself what it takes.
    if (screen === 'clear' || screen === 'export') continue
    for (const { help } of map) expect(text).toContain(help)
  }
  expect(text.slice(0, text.indexOf('Filters'))).not.toContain('…')
})

it('prints the grammar of filters', () => {
  const text = draw(80, 100).join('\n')

  for (const { syntax } of filterGrammar) expect(text).toContain(syntax)
})

it('is cut to a small terminal', () => {
  const lines = draw(20, 3)

  expect(lines).toHaveLength(3)
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(20)
})
