/**
 * Whether this process is in the foreground process group of a terminal: the group to which the
 * terminal itself sends Ctrl-C, Ctrl-\, Ctrl-Z and size changes (POSIX.1-2024, 11.1.9). Asked at
 * the moment a signal arrives, since a shell moves a job between foreground and background.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** False without a controlling terminal. Where the system does not say, standard streams decide. */
export function isInTerminalForeground(): boolean {
  return (
    fromProc() ??
    fromPs() ??
    [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY)
  )
}

/** Linux: proc_pid_stat(5), fields 5 (pgrp) and 8 (tpgid). */
function fromProc(): boolean | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const stat = readFileSync('/proc/self/stat', 'latin1')
    // Field 2 is the program's name in parentheses and may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return compareGroups(fields[2], fields[5])
  } catch {
    // No /proc, as in some sandboxes: the other ways follow.
    return undefined
  }
}

function fromPs(): boolean | undefined {
  try {
    const output = execFileSync('ps', ['-o', 'pgid=', '-o', 'tpgid=', '-p', String(process.pid)], {
      encoding: 'latin1',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 1000,
    })
    const [group, foreground] = output.trim().split(/\s+/u)
    return compareGroups(group, foreground)
  } catch {
    // No ps, or one that knows no such columns.
    return undefined
  }
}

function compareGroups(group: string | undefined, foreground: string | undefined) {
  if (group === undefined || foreground === undefined) return undefined
  return Number(foreground) > 0 && group === foreground
}
