/**
 * How a viewer finds a running proxy: `<home>/run/<pid>.json` says who it is and where its socket
 * stands. Whether a proxy lives is asked of its socket, not of its process id: ids are used again,
 * and two containers that share a home have the same ones.
 */
import { open, readdir, rename, rm, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'

import { z } from 'zod'

import { errorCodeOf } from '../base/errors.ts'

const controlInfoSchema = z.object({
  /** Where the proxy listens. */
  url: z.string(),
  /** Epoch milliseconds. */
  startedAt: z.number(),
  /** What the proxy runs for, for people to read. */
  command: z.string().optional(),
  /** The file that it records to, absolute. */
  capture: z.string().optional(),
  /** Porthole's version. */
  version: z.string(),
})

const descriptorSchema = controlInfoSchema.extend({ pid: z.int(), socket: z.string() })

/** First line on the socket. */
export const helloSchema = z.object({
  hello: controlInfoSchema.extend({ v: z.literal(1), pid: z.int() }),
})

export type ControlInfo = Readonly<z.infer<typeof controlInfoSchema>>
export type Descriptor = Readonly<z.infer<typeof descriptorSchema>>
export type Hello = Readonly<z.infer<typeof helloSchema>['hello']>

/** A larger file is not one of ours. */
const maxDescriptorBytes = 64 * 1024
/** A socket without a descriptor may be one that is just being set up. */
const orphanAgeMs = 60_000
const probeTimeoutMs = 1000

/** Appears whole or not at all, readable by its owner only. */
export async function writeDescriptor(path: string, descriptor: Descriptor): Promise<void> {
  const temporary = `${path}.part`
  await rm(temporary, { force: true })
  const handle = await open(temporary, 'wx', 0o600)
  try {
    await handle.writeFile(`${JSON.stringify(descriptor)}\n`)
  } finally {
    await handle.close()
  }
  await rename(temporary, path)
}

/** What the descriptors in `directory` say, oldest proxy first; none where there is no folder. */
export async function listDescriptors(directory: string): Promise<Descriptor[]> {
  const names = await readdir(directory).catch(() => [])
  const found = await Promise.all(
    names.filter((name) => name.endsWith('.json')).map((name) => read(join(directory, name))),
  )
  return found
    .filter((descriptor) => descriptor !== undefined)
    .sort((a, b) => a.startedAt - b.startedAt || a.pid - b.pid)
}

/** Removes what a dead proxy left in `directory`, its descriptor included. Never throws. */
export async function removeDescriptor(directory: string, descriptor: Descriptor): Promise<void> {
  const names = await readdir(directory).catch(() => [])
  const paths = names.filter((name) => name.endsWith('.json')).map((name) => join(directory, name))
  await Promise.all(
    paths.map(async (path) => {
      if ((await read(path))?.socket === descriptor.socket) await removeQuietly(path)
    }),
  )
  // A descriptor could name any file: only a socket that answers nobody is removed.
  if (await isDeadSocket(descriptor.socket)) await removeQuietly(descriptor.socket)
}

/** Removes sockets in `directory` that nobody listens on and no descriptor names. */
export async function removeOrphans(directory: string, now: number): Promise<void> {
  const names = await readdir(directory).catch(() => [])
  const sockets = names.filter((name) => name.endsWith('.sock'))
  await Promise.all(
    sockets.map(async (name) => {
      const path = join(directory, name)
      const age = await stat(path).then(
        (found) => now - found.mtimeMs,
        () => 0,
      )
      if (age > orphanAgeMs && (await isDeadSocket(path))) await removeQuietly(path)
    }),
  )
}

/** Whether something listens there. Not answering in time counts as living: it may be busy. */
export async function answersAt(socketPath: string): Promise<boolean> {
  return await new Promise<boolean>((resolve) => {
    const socket = connect(socketPath)
    const timer = setTimeout(() => finish(true), probeTimeoutMs)
    function finish(answer: boolean): void {
      clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => finish(true))
    socket.once('error', (error) => finish(!isGone(error)))
  })
}

/** Whether connecting failed for good: nothing is there, or nobody listens. */
export function isGone(error: unknown): boolean {
  const code = errorCodeOf(error)
  return code === 'ECONNREFUSED' || code === 'ENOENT' || code === 'ENOTSOCK' || code === 'ENOTDIR'
}

async function isDeadSocket(path: string): Promise<boolean> {
  const isSocket = await stat(path).then(
    (found) => found.isSocket(),
    () => false,
  )
  return isSocket && !(await answersAt(path))
}

async function read(path: string): Promise<Descriptor | undefined> {
  try {
    const handle = await open(path, 'r')
    try {
      const found = await handle.stat()
      if (!found.isFile() || found.size > maxDescriptorBytes) return undefined
      return descriptorSchema.safeParse(JSON.parse(await handle.readFile('utf8'))).data
    } finally {
      await handle.close()
    }
  } catch {
    // Gone in the meantime, not ours, or not readable: there is no proxy to find here.
    return undefined
  }
}

async function removeQuietly(path: string): Promise<void> {
  await rm(path, { force: true }).catch(() => {
    // Another process removed it, or it is not ours to remove; it harms nobody.
  })
}
