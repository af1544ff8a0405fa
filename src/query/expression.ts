/** A filter as a tree, and what is wrong with one that cannot be read. */
import type { CacheVerdict, Comparison, FlagAtom, NumberAtom, TextAtom } from './filter-grammar.ts'

export type Expression =
  /** Two items or more. */
  | { readonly type: 'and' | 'or'; readonly items: readonly Expression[] }
  | { readonly type: 'not'; readonly item: Expression }
  | { readonly type: 'flag'; readonly name: FlagAtom }
  /** `name` is absent of a bare word, which is looked for everywhere. */
  | { readonly type: 'text'; readonly name: TextAtom | undefined; readonly pattern: string }
  /** Times in milliseconds, money in dollars. */
  | {
      readonly type: 'number'
      readonly name: NumberAtom
      readonly comparison: Comparison
      readonly value: number
    }
  | { readonly type: 'cache'; readonly verdicts: readonly CacheVerdict[] }

export interface FilterProblem {
  /** One line. */
  readonly problem: string
  /** UTF-16 index into the text. */
  readonly at: number
}
