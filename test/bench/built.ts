/** Where the build under test lies: dist/ of this checkout, or the one that `--dist` named. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Inherited by the processes that are started, which import from the same build. */
const variable = 'BENCH_DIST'

export function chooseBuild(directory: string): void {
  process.env[variable] = resolve(directory)
}

/** A file of the build, named as in the sources but for its ending. */
export function builtUrl(path: string): URL {
  const chosen = process.env[variable]
  const folder =
    chosen === undefined ? new URL('../../dist/', import.meta.url) : pathToFileURL(`${chosen}/`)
  return new URL(path, folder)
}

/** What keeps the build from being used, or undefined. */
export function missingBuild(): string | undefined {
  return existsSync(builtUrl('src/index.js')) ? undefined : 'dist/ is not built: npm run build'
}
