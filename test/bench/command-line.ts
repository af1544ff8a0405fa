/** The options of the benchmark; what is not understood is refused with the list of what is. */
import { parseArgs } from 'node:util'

import { targets } from './targets.ts'
import { defaultVariants, variantNames } from './variants.ts'
import type { VariantName } from './variants.ts'
import { workloadsOf } from './workloads.ts'
import type { Workload } from './workloads.ts'

export interface Options {
  readonly isQuick: boolean
  readonly workloads: readonly Workload[]
  /** Those of a workload; in the order in which they stand in the table of variants. */
  readonly variantsOf: (workload: Workload) => readonly VariantName[]
  /** The first round is dropped. */
  readonly rounds: number
  /** Where the JSON goes; undefined for a file in the system's temporary folder. */
  readonly out: string | undefined
  readonly withMockttp: boolean
  /** How long to wait for a quiet machine before each sample, in milliseconds. */
  readonly quietMs: number
  /** No sample is started after this, in milliseconds from the start. */
  readonly limitMs: number
  /** Where the Node proxies write CPU profiles when they end; undefined for none. */
  readonly cpuProfiles: string | undefined
  /** The build under test; undefined for dist/ of this checkout. */
  readonly dist: string | undefined
}

export type ParsedCommandLine =
  | { readonly type: 'options'; readonly options: Options }
  | { readonly type: 'analyzers' | 'viewer'; readonly rounds: number }
  | { readonly type: 'injection' }
  | { readonly type: 'tokens' }
  | { readonly type: 'help'; readonly text: string }
  | { readonly type: 'problem'; readonly text: string }

const flags = {
  quick: { type: 'boolean' },
  only: { type: 'string' },
  variants: { type: 'string' },
  rounds: { type: 'string' },
  out: { type: 'string' },
  with: { type: 'string' },
  quiet: { type: 'string' },
  minutes: { type: 'string' },
  'cpu-prof': { type: 'string' },
  dist: { type: 'string' },
  help: { type: 'boolean' },
} as const

/** In `--quick`: those that the targets name, so that all of it takes less than a minute. */
function quickVariants({ name }: Workload): readonly VariantName[] {
  const named = targets
    .filter(({ workload }) => workload === name)
    .flatMap(({ variant, against }) =>
      against.how === 'value' ? [variant] : [variant, against.baseline],
    )
  return named.length === 0 ? ['porthole', 'porthole-bare'] : named
}

function relevant(workload: Workload, names: readonly VariantName[]): readonly VariantName[] {
  const isApt = (name: VariantName): boolean => {
    if (name === 'direct') return !workload.needsProxy
    // As shipped it keeps no connection: it is measured where that is what it is compared by.
    return name !== 'http-mitm-proxy-no-keepalive' || workload.baselines.includes(name)
  }
  return variantNames.filter((name) => names.includes(name) && isApt(name))
}

const quickLimitMs = 50_000

export function parseCommandLine(args: readonly string[]): ParsedCommandLine {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: flags,
      allowPositionals: true,
    })
    if (values.help === true) return { type: 'help', text: helpText() }
    const [what, ...rest] = positionals
    if (what === 'analyzers' && rest.length === 0) {
      return { type: 'analyzers', rounds: numberOf('rounds', values.rounds, 6, [2, 100]) }
    }
    if (what === 'viewer' && rest.length === 0) {
      return { type: 'viewer', rounds: numberOf('rounds', values.rounds, 3, [1, 100]) }
    }
    if ((what === 'injection' || what === 'tokens') && rest.length === 0) return { type: what }
    if (what !== undefined) throw new Error(`no benchmark named ${positionals.join(' ')}`)
    const isQuick = values.quick === true
    const workloads = workloadsOf(isQuick)
    const only = listOf(
      values.only,
      workloads.map(({ name }) => name),
      'workload',
    )
    const named = listOf(values.variants, variantNames, 'variant')
    const extra = listOf(values.with, ['mockttp'], 'package to install')
    const limitMs = isQuick ? quickLimitMs : 60 * 60_000
    return {
      type: 'options',
      options: {
        isQuick,
        workloads: workloads.filter(({ name }) => only === undefined || only.includes(name)),
        variantsOf: (workload) =>
          relevant(workload, named ?? (isQuick ? quickVariants(workload) : defaultVariants)),
        rounds: numberOf('rounds', values.rounds, isQuick ? 2 : 6, [2, 100]),
        out: values.out,
        withMockttp: extra !== undefined,
        quietMs: numberOf('quiet', values.quiet, 0, [0, 300]) * 1000,
        limitMs:
          values.minutes === undefined
            ? limitMs
            : numberOf('minutes', values.minutes, 1, [1, 600]) * 60_000,
        cpuProfiles: values['cpu-prof'],
        dist: values.dist,
      },
    }
  } catch (error) {
    return { type: 'problem', text: error instanceof Error ? error.message : String(error) }
  }
}

function listOf<T extends string>(
  text: string | undefined,
  known: readonly T[],
  what: string,
): readonly T[] | undefined {
  if (text === undefined) return undefined
  return text.split(',').map((name) => {
    const found = known.find((candidate) => candidate === name.trim())
    if (found === undefined) {
      throw new Error(`no ${what} named ${JSON.stringify(name)}; there are ${known.join(', ')}`)
    }
    return found
  })
}

function numberOf(
  flag: string,
  text: string | undefined,
  otherwise: number,
  [least, most]: readonly [number, number],
): number {
  if (text === undefined) return otherwise
  const number = Number(text)
  if (!Number.isInteger(number) || number < least || number > most) {
    throw new Error(`--${flag} takes a whole number from ${least} to ${most}`)
  }
  return number
}

function helpText(): string {
  const rows = workloadsOf(false).map(({ name, title }) => `  ${name.padEnd(14)}${title}`)
  return [
    'usage: npm run bench -- [options]',
    '       npm run bench -- analyzers [--rounds N]',
    '       npm run bench -- viewer [--rounds N]',
    '       npm run bench -- injection',
    '       npm run bench -- tokens',
    '',
    '  --quick             few and short rounds, at most a minute: does everything run?',
    '  --only NAME,…       these workloads only',
    '  --variants NAME,…   these variants only',
    '  --rounds N          rounds; the first is dropped (default 6)',
    '  --out FILE          where the JSON goes (default: a file in the temporary folder)',
    '  --with mockttp      installs mockttp into a temporary folder for this run',
    '  --quiet SECONDS     waits up to so long for a quiet machine before each sample',
    '  --minutes N         starts no sample after N minutes (default 60)',
    '  --dist DIR          another build to test (default: dist/ of this checkout)',
    '  --cpu-prof DIR      Node proxies write CPU profiles there when they end',
    '',
    'workloads:',
    ...rows,
    '',
    `variants: ${variantNames.join(', ')}`,
    '',
  ].join('\n')
}
