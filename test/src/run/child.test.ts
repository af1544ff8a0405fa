import type { ChildProcessByStdio } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

import { afterEach, describe, expect, test } from 'vitest'

import { runChild } from '../../../src/run/child.ts'

const node = process.execPath
const host = fileURLToPath(new URL('../../fixtures/run/child-host.ts', import.meta.url))

/** Says which signals it gets, ends with code 5 on SIGTERM or on a line of input. */
const listening = `
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGTSTP', 'SIGCONT'])
    process.on(signal, () => console.log('got ' + signal))
  process.on('SIGTERM', () => { console.log('got SIGTERM'); process.exit(5) })
  process.stdin.once('data', () => { console.log('bye'); process.exit(5) })
  setInterval(() => {}, 1000)
  console.log('ready under ' + process.ppid)
`

type Host = ChildProcessByStdio<Writable, Readable, Readable>
const hosts = new Set<Host>()

afterEach(() => {
  for (const running of hosts) {
    if (running.exitCode !== null || running.signalCode !== null) continue
    // A detached host leads its own group: this ends it and what it started.
    if (running.pid !== undefined) process.kill(-running.pid, 'SIGKILL')
  }
  hosts.clear()
})

/** A process of its own session, hence without a terminal; `until` waits for a line. */
function startHost(command: string, args: readonly string[], env = process.env) {
  const child: Host = spawn(command, args, { detached: true, env, stdio: ['pipe', 'pipe', 'pipe'] })
  hosts.add(child)
  let output = ''
  const seen = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      for (const look of seen) look()
    })
  }
  const exited = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  return {
    child,
    exited,
    lines: () => output.split(/\r?\n/u).filter((line) => line !== ''),
    until: async (pattern: RegExp): Promise<string> => {
      const { promise, resolve } = Promise.withResolvers<string>()
      const look = (): void => {
        const match = pattern.exec(output)
        if (match !== null) resolve(match[1] ?? match[0])
      }
      seen.add(look)
      look()
      const closed = exited.then(() => {
        throw new Error(`ended before ${pattern.source}: ${output}`)
      })
      return Promise.race([promise, closed]).finally(() => seen.delete(look))
    },
  }
}

describe('the result', () => {
  const run = (script: string) =>
    runChild({ command: node, args: ['-e', script], env: process.env, stdio: 'ignore' })

  test("is the child's own exit code", async () => {
    expect(await run('process.exit(0)')).toEqual({ exitCode: 0, signal: undefined })
    expect(await run('process.exit(42)')).toEqual({ exitCode: 42, signal: undefined })
  })

  test('is 128 and the number of the signal that ended the child', async () => {
    const result = await run("process.kill(process.pid, 'SIGKILL')")

    expect(result).toEqual({ exitCode: 137, signal: 'SIGKILL' })
  })

  test('leaves no signal handlers behind', async () => {
    const before = process.listenerCount('SIGINT')

    await run('')

    expect(process.listenerCount('SIGINT')).toBe(before)
  })

  test('uses the environment that it is given, and only that', async () => {
    const script = "process.exit(process.env.ANSWER === '42' && !process.env.HOME ? 0 : 1)"
    const { exitCode } = await runChild({
      command: node,
      args: ['-e', script],
      env: { ANSWER: '42' },
      stdio: 'ignore',
    })

    expect(exitCode).toBe(0)
  })
})

describe('a command that cannot be started', () => {
  test('is not found: 127, as in a shell', async () => {
    const running = runChild({ command: 'no-such-program-here', args: [], env: process.env })

    await expect(running).rejects.toMatchObject({ code: 'ERR_COMMAND_NOT_FOUND', exitCode: 127 })
  })

  test.skipIf(process.platform === 'win32')('is not executable: 126, as in a shell', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'porthole-child-'))
    try {
      const plain = join(directory, 'plain')
      await writeFile(plain, 'text', { mode: 0o644 })
      const orphan = join(directory, 'orphan')
      await writeFile(orphan, '#!/no/such/interpreter\n', { mode: 0o755 })

      for (const command of [plain, orphan]) {
        await expect(runChild({ command, args: [], env: process.env })).rejects.toMatchObject({
          code: 'ERR_COMMAND_FAILED',
          exitCode: 126,
        })
      }
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  test('holds a null byte: an expected failure, not a crash', async () => {
    const running = runChild({ command: 'no\0pe', args: [], env: process.env })

    await expect(running).rejects.toMatchObject({ code: 'ERR_COMMAND_FAILED' })
  })
})

describe.skipIf(process.platform === 'win32')('without a terminal', () => {
  test.each(['SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const)(
    '%s reaches the child once, and the exit code comes back',
    async (signal) => {
      const { child, exited, lines, until } = startHost(node, [host, node, '-e', listening])
      await until(/ready/u)

      child.kill(signal)
      await until(new RegExp(`got ${signal}`, 'u'))
      child.kill('SIGTERM')

      expect(await exited).toEqual([5, null])
      expect(lines().slice(1)).toEqual([`got ${signal}`, 'got SIGTERM'])
    },
  )

  test('a signal that the child ignores is sent again, and the child is left to decide', async () => {
    const stubborn = `
      let count = 0
      process.on('SIGTERM', () => { console.log('no ' + ++count); if (count === 3) process.exit(0) })
      setInterval(() => {}, 1000)
      console.log('ready')
    `
    const { child, exited, until } = startHost(node, [host, node, '-e', stubborn])
    await until(/ready/u)

    for (const count of [1, 2, 3]) {
      child.kill('SIGTERM')
      await until(new RegExp(`no ${count}`, 'u'))
    }

    expect(await exited).toEqual([0, null])
  })

  test('a child that dies of a forwarded signal gives 128 + N', async () => {
    const script = "setInterval(() => {}, 1000); console.log('ready')"
    const { child, exited, until } = startHost(node, [host, node, '-e', script])
    await until(/ready/u)

    child.kill('SIGINT')

    expect(await exited).toEqual([130, null])
  })

  test('a shell script works as the child', async () => {
    const script = "trap 'echo stopped; exit 9' INT; echo ready; while :; do sleep 0.05; done"
    const { child, exited, until } = startHost(node, [host, 'sh', '-c', script])
    await until(/ready/u)

    child.kill('SIGINT')
    await until(/stopped/u)

    expect(await exited).toEqual([9, null])
  })

  test.skipIf(!existsSync('/proc/self/stat'))('stop and continue hold for both', async () => {
    const { child, exited, until } = startHost(node, [host, node, '-e', listening])
    await until(/ready/u)

    child.kill('SIGTSTP')
    await until(/got SIGTSTP/u)
    await expect.poll(() => stateOf(child.pid)).toBe('T')
    child.kill('SIGCONT')
    await until(/got SIGCONT/u)
    child.stdin.write('end\n')

    expect(await exited).toEqual([5, null])
  })
})

const script = '/usr/bin/script'
describe.skipIf(process.platform !== 'linux' || !existsSync(script))('in a terminal', () => {
  test('Ctrl-C reaches the child once', async () => {
    // `exec`: a shell that waits for its command, as dash does, would end of the Ctrl-C itself.
    const command = `exec '${node}' '${host}' '${node}' -e "$LISTENING"`
    const env = { ...process.env, LISTENING: listening }
    const { child, exited, lines, until } = startHost(script, ['-qec', command, '/dev/null'], env)
    const hostPid = Number(await until(/ready under (\d+)/u))

    child.stdin.write('\u0003')
    await until(/got SIGINT/u)
    // The host has had its own SIGINT by now; what it forwards arrives after anything it forwarded.
    process.kill(hostPid, 'SIGUSR2')
    await until(/got SIGUSR2/u)
    child.stdin.write('end\n')

    expect((await exited)[0]).toBe(5)
    expect(lines().filter((line) => line.includes('got SIGINT'))).toHaveLength(1)
  })
})

/** proc_pid_stat(5), field 3. */
function stateOf(pid: number | undefined): string | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[0]
}
