import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { exposingSetting } from '../../../src/run/process-exposure.ts'

describe('a setting that cannot be undone from inside', () => {
  test.each([
    ['NODE_OPTIONS', '--heapsnapshot-near-heap-limit=2', '--heapsnapshot-near-heap-limit'],
    [
      'NODE_OPTIONS',
      '--no-warnings --heapsnapshot_near_heap_limit 2',
      '--heapsnapshot-near-heap-limit',
    ],
    ['NODE_OPTIONS', '"--tls-keylog=/tmp/a b"', '--tls-keylog'],
    ['NODE_OPTIONS', '--tls-"key"log=/x', '--tls-keylog'],
    ['NODE_OPTIONS', '--trace-tls', '--trace-tls'],
    ['NODE_OPTIONS', '--trace-event-categories=node.http', '--trace-event-categories'],
    ['NODE_DEBUG', 'http', 'http'],
    ['NODE_DEBUG', 'module,HTTPS', 'HTTPS'],
    ['NODE_DEBUG', '*', '*'],
    ['NODE_DEBUG', 'timer,h*p', 'h*p'],
    ['NODE_DEBUG', 'stream', 'stream'],
  ] as const)('is found in %s=%s', (variable, value, setting) => {
    expect(exposingSetting({ [variable]: value })).toEqual({ variable, setting })
  })

  test.each([
    ['NODE_OPTIONS', ''],
    ['NODE_OPTIONS', '--require /opt/editor/bootloader.js --inspect-publish-uid=http'],
    ['NODE_OPTIONS', '--inspect-brk=0 --heapsnapshot-signal=SIGUSR2 --report-on-signal'],
    ['NODE_OPTIONS', '--max-old-space-size=4096 --heap-prof --cpu-prof --trace-warnings'],
    ['NODE_DEBUG', ''],
    ['NODE_DEBUG', 'module,esm,timer,http2,fs*'],
  ] as const)('is not %s=%s', (variable, value) => {
    expect(exposingSetting({ [variable]: value })).toBeUndefined()
  })

  test('is not looked for in other variables', () => {
    expect(exposingSetting({ DEBUG: '*', OTHER: '--tls-keylog=x' })).toBeUndefined()
  })
})

describe('a process that is closed', () => {
  const source = new URL('../../../src/run/process-exposure.ts', import.meta.url).href
  let folder = ''
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'porthole-exposure-'))
  })
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  /** Runs `program` behind it in an empty folder; resolves with what it printed, and the files it left. */
  async function run(
    program: string,
    options: string,
    args: readonly string[] = [],
  ): Promise<{ out: string; err: string; code: unknown; files: string[] }> {
    const whole = `
      const { closeOwnProcess } = await import(${JSON.stringify(source)})
      closeOwnProcess(process.env, process.execArgv)
      ${program}`
    const result = await promisify(execFile)(
      process.execPath,
      [...args, '--input-type=module', '--eval', whole],
      { cwd: folder, env: { PATH: process.env['PATH'], NODE_OPTIONS: options } },
    ).catch((error: unknown) => error)
    const { stdout, stderr, code } = result as { stdout: string; stderr: string; code?: unknown }
    return { out: stdout.trim(), err: stderr, code: code ?? 0, files: await readdir(folder) }
  }
  const isOpen = `console.log(process.getBuiltinModule('node:inspector').url() !== undefined)`

  test.each([['--inspect=0'], ['--inspect=127.0.0.1:0 --inspect-publish-uid=http']])(
    'has no inspector that NODE_OPTIONS=%s opens',
    async (options) => {
      expect(await run(isOpen, options)).toMatchObject({ out: 'false', code: 0 })
    },
  )

  test('keeps an inspector that its own command line asks for', async () => {
    expect(await run(isOpen, '', ['--inspect=127.0.0.1:0'])).toMatchObject({ out: 'true' })
  })

  test.runIf(process.platform !== 'win32')(
    'opens no inspector, writes no heap and no report at a signal, and lives on',
    async () => {
      // Node opens an inspector at SIGUSR1 where nobody listens, and would have the signal itself.
      const program = `
        import { once } from 'node:events'
        const listening = process.listenerCount('SIGUSR1')
        const awake = setInterval(() => undefined, 1000)
        for (const signal of ['SIGUSR1', 'SIGUSR2', 'SIGHUP']) {
          const heard = once(process, signal)
          process.kill(process.pid, signal)
          await heard
        }
        clearInterval(awake)
        console.log(listening)`
      const options =
        '--heapsnapshot-signal=SIGUSR2 --report-on-signal --report-signal=SIGHUP --inspect-port=0'

      expect(await run(program, options)).toEqual({ out: '1', err: '', code: 0, files: [] })
    },
  )

  test('neither writes a report about an error nor aborts', async () => {
    const options =
      '--report-uncaught-exception --report-on-fatalerror --abort-on-uncaught-exception'
    const program = `
      process.on('uncaughtException', () => process.exit(70))
      setImmediate(() => {
        throw new Error('a secret')
      })`

    expect(await run(program, options)).toMatchObject({ code: 70, files: [] })
  })
})
