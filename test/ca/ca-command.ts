/** Runs `porthole ca …` in this process, with streams and scratch trust stores of its own. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'

import { Command } from 'commander'

import { registerCaCommand } from '../../src/cli/ca.ts'

export interface Outcome {
  readonly out: Buffer
  readonly text: string
  readonly err: string
  /** What was thrown, where the caller catches. */
  readonly failure?: unknown
}
export interface Settings {
  readonly home: string
  readonly terminal?: boolean
  readonly answer?: string
  readonly at?: Date
  readonly env?: NodeJS.ProcessEnv
  readonly platform?: NodeJS.Platform
  /** Return a failure instead of throwing it. */
  readonly catches?: boolean
}

function collector(terminal: boolean): { stream: Writable; bytes(): Buffer } {
  const chunks: Buffer[] = []
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk)
      done()
    },
  })
  return { stream: Object.assign(stream, { isTTY: terminal }), bytes: () => Buffer.concat(chunks) }
}

/** Runs `porthole ca ARGS` with streams of its own. */
export async function runCa(args: readonly string[], settings: Settings): Promise<Outcome> {
  const terminal = settings.terminal === true
  const stdout = collector(terminal)
  const stderr = collector(terminal)
  const program = new Command('porthole').exitOverride()
  const output = {
    writeOut: (text: string) => void stdout.stream.write(text),
    writeErr: () => undefined,
  }
  program.configureOutput(output)
  registerCaCommand(program, {
    stdin: Object.assign(Readable.from([settings.answer ?? '']), { isTTY: terminal }),
    stdout: stdout.stream,
    stderr: stderr.stream,
    env: { PATH: process.env['PATH'], ...settings.env },
    platform: settings.platform ?? 'linux',
    defaultPermittedHosts: ['api.openai.com', '*.anthropic.com'],
    resolveHome: (flag) => flag ?? settings.home,
    now: () => settings.at ?? new Date(),
  })
  for (const group of program.commands) {
    for (const command of [group, ...group.commands]) command.exitOverride().configureOutput(output)
  }
  let failure: unknown
  try {
    await program.parseAsync(['ca', ...args], { from: 'user' })
  } catch (error) {
    if (settings.catches !== true) throw error
    failure = error
  }
  const out = stdout.bytes()
  return { out, text: out.toString(), err: stderr.bytes().toString(), failure }
}

/** Stores of this test's own: a Debian-like tree whose tool only concatenates the anchors. */
export function scratchStores(scratch: string): NodeJS.ProcessEnv & { readonly root: string } {
  const root = join(scratch, 'root')
  const bin = join(scratch, 'bin')
  const anchors = join(root, 'usr/local/share/ca-certificates')
  for (const path of [bin, anchors, join(root, 'etc/ssl/certs')])
    mkdirSync(path, { recursive: true })
  const bundle = join(root, 'etc/ssl/certs/ca-certificates.crt')
  const tool = `#!/bin/sh\ncat /dev/null '${anchors}'/*.crt >'${bundle}' 2>/dev/null || :\n`
  writeFileSync(join(bin, 'update-ca-certificates'), tool, { mode: 0o755 })
  return {
    root,
    PATH: `${bin}:${process.env['PATH']}`,
    HOME: join(scratch, 'user'),
    PORTHOLE_TRUST_ROOT: root,
    PORTHOLE_TRUST_FAMILY: 'debian',
    PORTHOLE_NSS_DIRS: join(scratch, 'no-such-database'),
    PORTHOLE_JAVA_KEYSTORE: join(scratch, 'no-such-keystore'),
  }
}
/** What the system store in such a tree trusts. */
export const bundleIn = (root: string): string => {
  const path = join(root, 'etc/ssl/certs/ca-certificates.crt')
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}
