/**
 * What each tone looks like. Only the 16 named ANSI colours are used, so that the user's own
 * palette decides; without colours (https://no-color.org) weight and inversion remain.
 */
import type { Tone } from './line.ts'

/** The properties of Ink's `Text` that are set here. */
export interface Look {
  readonly color?: string
  readonly bold?: boolean
  readonly dimColor?: boolean
  readonly inverse?: boolean
}

export interface Theme extends Readonly<Record<Tone, Look>> {
  /** For terminals that have nothing but ASCII: all else is replaced (`ascii.ts`). */
  readonly isAscii?: boolean
}

export const colorTheme: Theme = {
  plain: {},
  dim: { dimColor: true },
  strong: { bold: true },
  heading: { bold: true, color: 'cyan' },
  user: { color: 'cyan' },
  assistant: { color: 'green' },
  system: { color: 'magenta' },
  tool: { color: 'yellow' },
  code: { color: 'cyan' },
  match: { inverse: true, color: 'yellow' },
  cursor: { bold: true, color: 'cyan' },
  good: { color: 'green' },
  warn: { color: 'yellow' },
  bad: { color: 'red' },
  'bad-mark': { color: 'red', inverse: true },
  selected: { inverse: true },
  bar: { bold: true, color: 'cyan' },
}

export const plainTheme: Theme = {
  plain: {},
  dim: {},
  strong: { bold: true },
  heading: { bold: true },
  user: {},
  assistant: {},
  system: {},
  tool: {},
  code: {},
  match: { inverse: true },
  cursor: { bold: true },
  good: {},
  warn: {},
  bad: { bold: true },
  'bad-mark': { inverse: true },
  selected: { inverse: true },
  bar: { bold: true },
}
