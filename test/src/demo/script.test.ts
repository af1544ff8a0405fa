import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, expect, test } from 'vitest'

import type { DemoProvider } from '../../../src/demo/provider.ts'
import { startDemoProvider } from '../../../src/demo/provider.ts'
import { childEnvironment } from '../../../src/run/environment.ts'
import { makeDemoCertificates } from './certificates.ts'

const program = fileURLToPath(new URL('../../../src/demo/script.ts', import.meta.url))
const { caPem, certificates } = makeDemoCertificates()
const authorities: Array<string | undefined> = []
/** Stands in for the proxy: every CONNECT leads to the provider. */
const relay = createServer()
let provider: DemoProvider
let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'porthole-demo-'))
  await writeFile(join(directory, 'ca.pem'), caPem)
  provider = await startDemoProvider({ certificates })
  relay.on('connect', (request, client) => {
    authorities.push(request.url)
    const upstream = connect(provider.port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      client.pipe(upstream).pipe(client)
    })
    upstream.on('error', () => client.destroy())
    client.on('error', () => upstream.destroy())
  })
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
})
afterAll(async () => {
  relay.close()
  await provider.close()
  await rm(directory, { recursive: true })
})

async function runScript(args: readonly string[], env: NodeJS.ProcessEnv) {
  const child = spawn(process.execPath, [program, ...args], { env, stdio: 'pipe' })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()))
  const [exitCode] = (await once(child, 'close')) as [number | null]
  return { exitCode, ...output }
}

function proxied(): NodeJS.ProcessEnv {
  const { port } = relay.address() as AddressInfo
  return childEnvironment({
    // What would lead the SDKs elsewhere must not count.
    parent: { PATH: process.env['PATH'], OPENAI_BASE_URL: 'http://127.0.0.1:1' },
    proxyUrl: `http://porthole:token@127.0.0.1:${port}`,
    caCertPath: join(directory, 'ca.pem'),
    bundlePath: undefined,
    platform: process.platform,
  }).env
}

test.each([
  ['with the openai and Anthropic SDKs', []],
  ['with fetch', ['--fetch']],
])('the demo program shows every answer %s', async (clients, args) => {
  authorities.length = 0

  const { exitCode, stdout, stderr } = await runScript(args, proxied())

  expect(stderr).toBe('')
  expect(exitCode).toBe(0)
  expect(stdout).toContain(clients)
  expect(stdout).toContain('10 + 5 equals 15.')
  expect(stdout).toContain('calls compose_music {"style":"symphony","key":"D major"}')
  expect(stdout).toContain('1536 dimensions')
  expect(stdout).toContain('The model `gpt-3.5-turbo-0613` has been deprecated')
  expect(stdout).toContain('The letter \'r\' appears 3 times in the word "strawberry".')
  expect(new Set(authorities)).toEqual(new Set(['api.openai.com:443', 'api.anthropic.com:443']))
})

test('the demo program refuses to run without a proxy: it must not call the real providers', async () => {
  const { exitCode, stdout, stderr } = await runScript([], { PATH: process.env['PATH'] })

  expect(exitCode).toBe(2)
  expect(stdout).toBe('')
  expect(stderr).toContain('porthole demo')
})

test('the demo program fails when a provider cannot be reached, after trying every call', async () => {
  const env = { ...proxied(), HTTPS_PROXY: 'http://127.0.0.1:1', https_proxy: 'http://127.0.0.1:1' }

  const { exitCode, stdout } = await runScript(['--fetch'], env)

  expect(exitCode).toBe(1)
  expect(stdout.match(/failed: /gu)).toHaveLength(5)
})
