/**
 * `npm run bench -- injection`: what a credential costs a request, on one core, without any proxy
 * around it: the injector over a vault of 1, 100 and 1,000 secrets, of one secret and of none for
 * the request's host. Each figure is of the request alone: look, select, open, put in.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { CredentialInjector as InjectorClass } from '../../analyzers/credential-injector.ts'
import type { OutgoingRequest } from '../../src/pipeline/analyzer.ts'
import type { formsOfValue as Forms } from '../../src/policy/credential-value.ts'
import type { parseHostPattern as Parse } from '../../src/policy/host-pattern.ts'
import type { createHeaderList as CreateHeaders } from '../../src/proxy/http-messages.ts'
import type { openVaultIn as OpenVault, readVaultIn as ReadVault } from '../../src/vault/vault.ts'
import { builtUrl } from './built.ts'

const counts = [1, 100, 1000] as const
const warmUps = 5000
const requests = 20_000
/** What injection may add at the median, in milliseconds. */
const targetMs = 0.1

const imported = <T>(path: string): Promise<T> => import(builtUrl(path).href) as Promise<T>

/** Prints one line per size of the vault: median and 99th percentile, in microseconds. */
export async function benchInjection(): Promise<string> {
  const { CredentialInjector } = await imported<{ CredentialInjector: typeof InjectorClass }>(
    'analyzers/credential-injector.js',
  )
  const vaults = await imported<{ openVaultIn: typeof OpenVault; readVaultIn: typeof ReadVault }>(
    'src/vault/vault.js',
  )
  const { parseHostPattern } = await imported<{ parseHostPattern: typeof Parse }>(
    'src/policy/host-pattern.js',
  )
  const { formsOfValue } = await imported<{ formsOfValue: typeof Forms }>(
    'src/policy/credential-value.js',
  )
  const { createHeaderList } = await imported<{ createHeaderList: typeof CreateHeaders }>(
    'src/proxy/http-messages.js',
  )
  const home = await mkdtemp(join(tmpdir(), 'porthole-bench-'))
  const options = { home, env: {}, unrestricted: 'porthole' }
  const writable = vaults.openVaultIn(options)
  const reader = vaults.readVaultIn(options)
  const injector = new CredentialInjector(reader.credentials)
  const ask = async (host: string): Promise<number> => {
    const request: OutgoingRequest = {
      connectionId: 'c1',
      exchangeId: 'x1',
      agent: 'porthole',
      scheme: 'https',
      host,
      port: 443,
      method: 'POST',
      path: '/v1/chat/completions',
      headers: createHeaderList([['Host', host]]),
      readBody: () => Promise.resolve(Buffer.alloc(0)),
      emit: () => {},
      conceal: (value) => void formsOfValue(value),
    }
    const startedMs = performance.now()
    const given = injector.onRequest(request)
    const refusal = given instanceof Promise ? await given : given
    const tookMs = performance.now() - startedMs
    if (refusal !== undefined) throw new Error(refusal.message)
    return tookMs
  }
  const measure = async (host: string): Promise<readonly [number, number]> => {
    for (let index = 0; index < warmUps; index += 1) await ask(host)
    const took: number[] = []
    for (let index = 0; index < requests; index += 1) took.push(await ask(host))
    took.sort((a, b) => a - b)
    return [took[requests / 2] ?? 0, took[Math.floor(requests * 0.99)] ?? 0]
  }
  const lines = ['injection, per request         p50        p99   (target: p50 below 100 µs)']
  try {
    let stored = 0
    for (const count of counts) {
      for (; stored < count; stored += 1) {
        await writable.secrets.add({
          name: `s${stored}`,
          hosts: [parseHostPattern(`h${stored}.example`)],
          path: undefined,
          location: {
            type: 'header',
            name: 'Authorization',
            format: 'Bearer {}',
            ifPresent: false,
          },
          content: { kind: 'value', text: `sk-value-of-a-usual-length-${stored}` },
        })
      }
      lines.push(describe(`${count} secrets, one fits`, await measure('h0.example')))
    }
    lines.push(describe('1000 secrets, none fits', await measure('other.example')))
  } finally {
    reader.close()
    writable.close()
    await rm(home, { recursive: true, force: true })
  }
  return lines.join('\n')
}

function describe(name: string, [p50, p99]: readonly [number, number]): string {
  const shown = [p50, p99].map((ms) => `${(ms * 1000).toFixed(1)} µs`.padStart(9))
  return `${name.padEnd(24)} ${shown.join('  ')}   ${p50 < targetMs ? 'met' : 'missed'}`
}
