/**
 * What the operating system says (Linux: proc(5)): CPU time and memory of a process with all it
 * started, how busy the machine is with other work, and what machine it is.
 */
import { readdirSync, readFileSync } from 'node:fs'
import os from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'

/** USER_HZ: what the kernel counts CPU time in for user space, on every Linux that Node runs on. */
const ticksPerSecond = 100
const settleEveryMs = 60
const settleLimitMs = 3000

/** User and system CPU seconds of a process, its threads and its living descendants. */
export function cpuSecondsOf(pid: number): number {
  let ticks = 0
  for (const member of familyOf(pid)) {
    const text = readOrEmpty(`/proc/${member}/stat`)
    // The name in parentheses may hold anything; the fields after it are numbers (utime is the 14th).
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
  }
  return ticks / ticksPerSecond
}

/** The same once it no longer grows: what is still queued in the process has been worked off. */
export async function settledCpuSecondsOf(pid: number): Promise<number> {
  const deadline = performance.now() + settleLimitMs
  let last = cpuSecondsOf(pid)
  let unchanged = 0
  while (unchanged < 2 && performance.now() < deadline) {
    await delay(settleEveryMs)
    const now = cpuSecondsOf(pid)
    unchanged = now === last ? unchanged + 1 : 0
    last = now
  }
  return last
}

export interface Memory {
  readonly residentMb: number
  /** The most that was resident at once since the process started. */
  readonly peakMb: number
}

/** Of a process and its living descendants, in megabytes of 1,000,000 bytes. */
export function memoryOf(pid: number): Memory {
  let residentMb = 0
  let peakMb = 0
  for (const member of familyOf(pid)) {
    const status = readOrEmpty(`/proc/${member}/status`)
    residentMb += kilobytes(status, 'VmRSS')
    peakMb += kilobytes(status, 'VmHWM')
  }
  return { residentMb, peakMb }
}

export interface Moment {
  readonly atMs: number
  readonly busySeconds: number
  readonly stealSeconds: number
  readonly ownSeconds: number
}

/** Machine-wide CPU time, and that of this process with its children. */
export function readMoment(): Moment {
  const line = /^cpu +(.*)$/mu.exec(readOrEmpty('/proc/stat'))?.[1] ?? ''
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .split(' ')
    .map(Number)
  return {
    atMs: performance.now(),
    busySeconds: (user + nice + system + irq + softirq) / ticksPerSecond,
    stealSeconds: steal / ticksPerSecond,
    ownSeconds: cpuSecondsOf(process.pid),
  }
}

/** Cores that others used between two moments, and cores that the hypervisor withheld. */
export function loadBetween(
  from: Moment,
  to: Moment,
): { foreignCores: number; stealCores: number } {
  const seconds = Math.max(0.001, (to.atMs - from.atMs) / 1000)
  const foreign = to.busySeconds - from.busySeconds - (to.ownSeconds - from.ownSeconds)
  return {
    foreignCores: Math.max(0, foreign / seconds),
    stealCores: Math.max(0, (to.stealSeconds - from.stealSeconds) / seconds),
  }
}

/** Waits until others use less than `cores` over half a second, for at most `limitMs`. */
export async function waitForQuiet(cores: number, limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs
  while (performance.now() < deadline) {
    const from = readMoment()
    await delay(500)
    if (loadBetween(from, readMoment()).foreignCores < cores) return
  }
}

export interface MachineFacts {
  readonly date: string
  readonly node: string
  readonly system: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  /** 1, 5 and 15 minutes. */
  readonly loadAverage: readonly number[]
}

export function readMachineFacts(): MachineFacts {
  return {
    date: new Date().toISOString(),
    node: process.version,
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cores: os.availableParallelism(),
    memoryGb: Math.round(os.totalmem() / 1e8) / 10,
    loadAverage: os.loadavg().map((load) => Math.round(load * 100) / 100),
  }
}

function familyOf(pid: number): number[] {
  const children = tasksOf(pid)
    .flatMap((task) => readOrEmpty(`/proc/${pid}/task/${task}/children`).trim().split(' '))
    .filter((text) => text !== '')
    .map(Number)
  return [pid, ...children.flatMap(familyOf)]
}

function tasksOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

function kilobytes(status: string, field: string): number {
  const found = new RegExp(String.raw`^${field}:\s+(\d+) kB$`, 'mu').exec(status)
  return (Number(found?.[1] ?? 0) * 1024) / 1e6
}

/** A process that has just ended reads as nothing. */
function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
