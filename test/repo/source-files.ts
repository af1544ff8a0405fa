/** The repository as text: its source files, what each imports, and the files that git knows. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'

export const repository = join(import.meta.dirname, '../..')

export interface Import {
  /** As written. */
  readonly from: string
  /** The names between braces, and the default name, `* as` included as it stands. */
  readonly names: readonly string[]
  readonly isTypeOnly: boolean
}

export interface SourceFile {
  /** From the top of the repository, with `/`. */
  readonly path: string
  readonly text: string
  readonly imports: readonly Import[]
}

const importPattern =
  /^(?:import|export)\s+(?<type>type\s+)?(?<names>[^'"]*?)\s*(?:from\s+)?'(?<from>[^']+)'|import\('(?<dynamic>[^']+)'\)/gmu

function importsOf(text: string): Import[] {
  return Array.from(text.matchAll(importPattern), ({ groups = {} }) => ({
    from: groups['from'] ?? groups['dynamic'] ?? '',
    names: (groups['names'] ?? '')
      .replaceAll(/[{}]/gu, ',')
      .split(',')
      .map((name) => name.trim().replace(/^type\s+/u, ''))
      .filter((name) => name !== ''),
    isTypeOnly: groups['type'] !== undefined,
  }))
}

/** TypeScript below `src`, `analyzers` and `ca`. */
export function readSources(folders: readonly string[] = ['src', 'analyzers', 'ca']): SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.tsx?$/u.test(name))
      .map((name) => {
        const path = posix.join(folder, name.replaceAll('\\', '/'))
        const text = readFileSync(join(repository, path), 'utf8')
        return { path, text, imports: importsOf(text) }
      }),
  )
}

/** What git tracks, or undefined where this is no checkout (an unpacked archive, say). */
export function trackedFiles(): string[] | undefined {
  try {
    const listed = execFileSync('git', ['ls-files', '-z'], { cwd: repository, encoding: 'utf8' })
    return listed.split('\0').filter((path) => path !== '' && existsSync(join(repository, path)))
  } catch {
    // Without git there is nothing to list.
    return undefined
  }
}
