/** The layer table: who may import whom, and who may touch sockets, files, the process and React. */
import { posix } from 'node:path'

import { describe, expect, test } from 'vitest'

import { readSources } from './source-files.ts'
import type { SourceFile } from './source-files.ts'

/** Rank by folder or file: an import goes to the own folder or to a lower rank. */
const ranks = new Map<string, number>([
  ['src/base', 0],
  ['src/messages', 1],
  ['src/policy', 2],
  ['src/query', 2],
  ['src/recorded', 2.5],
  ['src/config', 3],
  ['src/pipeline', 4],
  ['src/storage', 4],
  ['ca', 4],
  ['src/capture', 5],
  ['src/conformance', 5],
  ['src/audit', 5],
  ['src/ledger', 5],
  ['src/vault', 5],
  ['analyzers', 6],
  ['src/proxy', 6],
  ['src/backtest', 7],
  ['src/control', 7],
  ['src/run', 7],
  ['src/serve', 7],
  ['src/tui', 7],
  ['src/demo', 7],
  ['src/plan.ts', 7.4],
  ['src/create-engine.ts', 7.5],
  ['src/porthole.ts', 8],
  ['src/builder.ts', 9],
  ['src/index.ts', 10],
  ['src/cli', 10],
  ['src/main.ts', 11],
])

/** Lower in rank, and still none of its business: the composition root hands it what it needs. */
const strangers: ReadonlyArray<readonly [folder: string, never: readonly string[]]> = [
  ['src/serve', ['src/proxy', 'src/control', 'src/pipeline', 'analyzers', 'ca']],
  ['src/proxy', ['src/capture', 'src/vault', 'ca', 'src/config', 'analyzers', 'src/tui']],
  ['src/tui', ['src/capture', 'ca', 'src/config', 'src/pipeline']],
  ['ca', ['src/messages', 'src/pipeline']],
]

const sources = readSources()

function folderOf(path: string): string {
  const [top = '', second = '', ...rest] = path.split('/')
  if (top !== 'src') return top
  return rest.length === 0 ? path : `${top}/${second}`
}

function importedPaths(file: SourceFile): string[] {
  return file.imports
    .filter(({ from }) => from.startsWith('.'))
    .map(({ from }) => posix.join(posix.dirname(file.path), from))
}

/** `path: what` for every source for which `find` finds something. */
function offenders(find: (file: SourceFile) => readonly string[]): string[] {
  return sources.flatMap((file) => find(file).map((what) => `${file.path}: ${what}`))
}

describe('imports', () => {
  test('are found at all', () => {
    const builder = sources.find(({ path }) => path === 'src/porthole.ts')

    expect(sources.length).toBeGreaterThan(100)
    expect(builder?.imports.map(({ from }) => from)).toContain('./create-engine.ts')
    expect(builder?.imports.find(({ from }) => from === './base/errors.ts')?.names).toEqual([
      'AppError',
    ])
  })

  test('go to the own folder or to a lower layer', () => {
    const wrong = offenders((file) =>
      importedPaths(file).filter((path) => {
        const [from, to] = [folderOf(file.path), folderOf(path)]
        if (from === to) return false
        const [rank, below] = [ranks.get(from), ranks.get(to)]
        return rank === undefined || below === undefined || below >= rank
      }),
    )

    expect(wrong).toEqual([])
  })

  test.each(strangers)('of %s reach none of %j', (folder, never) => {
    const wrong = offenders((file) =>
      folderOf(file.path) === folder
        ? importedPaths(file).filter((path) => never.includes(folderOf(path)))
        : [],
    )

    expect(wrong).toEqual([])
  })

  test('of an analyzer reach no other analyzer; only the catalogue knows them all', () => {
    const isAnalyzer = (path: string): boolean => /^analyzers\/[^/]+\.ts$/u.test(path)
    const wrong = offenders((file) =>
      isAnalyzer(file.path) && file.path !== 'analyzers/index.ts'
        ? importedPaths(file).filter(isAnalyzer)
        : [],
    )

    expect(wrong).toEqual([])
  })

  test('name no folder that is not in the table', () => {
    const unknown = new Set(
      sources.map(({ path }) => folderOf(path)).filter((it) => !ranks.has(it)),
    )

    expect([...unknown]).toEqual([])
  })
})

/** Of the modules with sockets in them, names that compute and open nothing. */
const pureNames = new Set(
  'isIP isIPv4 isIPv6 SocketAddress BlockList rootCertificates createSecureContext'.split(' '),
)
const socketFolders = new Set(['src/proxy', 'src/control', 'src/serve'])
const socketExceptions = new Map([
  ['src/demo/provider.ts', 'the embedded provider of the demo is a server'],
])
const fileFolders = new Set([
  'ca',
  'src/audit',
  'src/capture',
  'src/ledger',
  'src/storage',
  'src/vault',
  'src/control',
  'src/run',
  'src/cli',
])
const fileExceptions = new Map([
  ['src/config/folders.ts', 'makes folders for the layers above'],
  ['analyzers/estimate/vocabulary.ts', 'reads the ranks that ship with the tokenizer'],
  ['src/demo/recordings.ts', 'reads the recordings that ship with the package'],
])
const processFolders = new Set(['src/cli', 'src/run', 'src/main.ts'])
const processExceptions = new Map([
  ['src/porthole.ts', 'the platform, for the variables of a child process'],
  ['src/demo/script.ts', 'an entry of its own: the program that the demo runs'],
])

describe('sockets, files, the process and React', () => {
  test('node:net, tls, http and https are used by the proxy and the control socket alone', () => {
    const wrong = offenders((file) => {
      if (socketFolders.has(folderOf(file.path)) || socketExceptions.has(file.path)) return []
      return file.imports
        .filter(
          ({ from, isTypeOnly }) =>
            /^node:(?:net|tls|https?|http2|dgram)$/u.test(from) && !isTypeOnly,
        )
        .filter(({ names }) => names.some((name) => !pureNames.has(name)))
        .map(({ from }) => from)
    })

    expect(wrong).toEqual([])
  })

  test('node:fs is used where files are the matter', () => {
    const wrong = offenders((file) => {
      if (fileFolders.has(folderOf(file.path)) || fileExceptions.has(file.path)) return []
      return file.imports.map(({ from }) => from).filter((from) => from.startsWith('node:fs'))
    })

    expect(wrong).toEqual([])
  })

  test('the process is used by the command line and by what starts children', () => {
    const wrong = offenders((file) => {
      if (processFolders.has(folderOf(file.path)) || processExceptions.has(file.path)) return []
      return codeOf(file).match(/\bprocess\.\w+/gu) ?? []
    })

    expect(wrong).toEqual([])
  })

  test('the console is used nowhere', () => {
    expect(offenders((file) => codeOf(file).match(/\bconsole\.\w+/gu) ?? [])).toEqual([])
  })

  test('react and ink are used by the viewer alone', () => {
    const wrong = offenders((file) => {
      if (folderOf(file.path) === 'src/tui') return []
      return file.imports
        .map(({ from }) => from)
        .filter((from) => /^(?:react|ink)(?:\/|$)/u.test(from))
    })

    expect(wrong).toEqual([])
  })

  test('http-mitm-proxy is known to its hooks and their registration alone', () => {
    const users = sources.filter(({ imports }) =>
      imports.some(({ from }) => from === 'http-mitm-proxy'),
    )

    expect(users.map(({ path }) => path)).toEqual([
      'src/proxy/hooks.ts',
      'src/proxy/module-surface.ts',
    ])
  })

  test('what is pure has no clock, timer or randomness of its own', () => {
    const pure = new Set(['src/messages', 'src/policy', 'src/pipeline', 'analyzers'])
    const impure =
      /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bMath\.random\b|\brandom(?:Bytes|UUID)\b|\bset(?:Timeout|Interval)\(/gu
    const wrong = offenders((file) =>
      pure.has(folderOf(file.path)) ? (codeOf(file).match(impure) ?? []) : [],
    )

    expect(wrong).toEqual([])
  })

  test.each([...socketExceptions, ...fileExceptions, ...processExceptions])(
    'the exception %s (%s) still exists',
    (path) => {
      expect(sources.map((file) => file.path)).toContain(path)
    },
  )
})

/** Without comments, which may name what the code must not use. */
function codeOf({ text }: SourceFile): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//gu, '').replaceAll(/(?:^|\s)\/\/.*$/gmu, '')
}
