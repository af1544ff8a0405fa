/**
 * Looks for the secret of the run in the arguments and the environment of a process group while it
 * runs, as any other process of the same user could (Linux alone: `/proc`).
 */
import { readdirSync, readFileSync } from 'node:fs'

import type { CanarySearch, Finding } from './canary-search.ts'
import { createCanarySearch } from './canary-search.ts'
import { canary } from './canary.ts'

const searchForCanary = createCanarySearch(canary)

/** `mayKnow`: the leader was given it in its own environment, by the test. */
export function searchProcesses(
  leader: number,
  mayKnow: boolean,
  search: CanarySearch = searchForCanary,
): Finding[] {
  return membersOf(leader).flatMap((pid) =>
    ['cmdline', 'environ'].flatMap((file) => {
      if (mayKnow && pid === leader && file === 'environ') return []
      const forms = search.formsIn(readProcess(pid, file))
      return forms.map((form) => ({ place: `/proc/${pid}/${file}`, form }))
    }),
  )
}

function membersOf(leader: number): number[] {
  return entriesOfProc()
    .filter((name) => /^\d+$/u.test(name))
    .map(Number)
    .filter((pid) => {
      // proc_pid_stat(5): the group is the third field behind the name, which may hold anything.
      const stat = readProcess(pid, 'stat').toString('latin1')
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]) === leader
    })
}

function entriesOfProc(): string[] {
  try {
    return readdirSync('/proc')
  } catch {
    // Not on Linux.
    return []
  }
}

function readProcess(pid: number, file: string): Buffer {
  try {
    return readFileSync(`/proc/${pid}/${file}`)
  } catch {
    return Buffer.alloc(0)
  }
}
