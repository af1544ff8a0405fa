/**
 * One real call, from a Node child through a proxy to a provider on loopback, recorded and read
 * again: the machinery of `demo` with a CA, a capture and an upstream of its own, in a temporary
 * folder. Nothing of the user's is used, and nothing leaves this machine.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { defaultAnalyzers, FileLogger } from '../../analyzers/index.ts'
import { AppError, describeError } from '../base/errors.ts'
import { visibleLine } from '../base/visible-text.ts'
import { PortholeBuilder } from '../builder.ts'
import { readCapture } from '../capture/reader.ts'
import { demoHosts } from '../demo/provider.ts'
import { mintSessionToken } from '../proxy/session-token.ts'
import { Funnel } from '../recorded/funnel.ts'
import { childEnvironment } from '../run/environment.ts'
import type { CliContext } from './context.ts'
import { runScript, startProvider } from './demo.ts'
import type { Check } from './doctor-checks.ts'
import { fail, ok } from './doctor-checks.ts'

/** The call takes about one second. */
const callTimeoutMs = 60_000

/** Never rejects: what goes wrong is a check that failed. */
export async function checkRealCall(context: CliContext): Promise<Check> {
  let folder: string | undefined
  try {
    folder = await mkdtemp(join(tmpdir(), 'porthole-doctor-'))
    return await callThrough(context, join(folder, 'call.jsonl'))
  } catch (error) {
    const next = error instanceof AppError ? error.hint : 'look at the reason, and try again'
    return fail('call', `a call of our own failed: ${describeError(error)}`, next)
  } finally {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  }
}

async function callThrough(context: CliContext, capturePath: string): Promise<Check> {
  const { provider, root } = await startProvider('Porthole doctor')
  const funnel = new Funnel()
  const lines: string[] = []
  try {
    const capture = new FileLogger(capturePath, { porthole: context.version })
    await capture.open()
    const token = mintSessionToken()
    const running = await builderFor(provider.port, root.certificatePem, token, capture)
      .build()
      .start()
    running.subscribe((msg) => funnel.take(msg))
    const { env } = childEnvironment({
      // Nothing of the user's but what any program needs.
      parent: { PATH: context.env['PATH'], SystemRoot: context.env['SystemRoot'] },
      proxyUrl: running.url.replace('http://', `http://porthole:${token}@`),
      caCertPath: running.addedRootsPath,
      bundlePath: running.bundlePath,
      platform: context.platform,
    })
    const script = runScript(env, (line) => lines.push(line), ['--first'])
    const timer = setTimeout(() => script.stop(), callTimeoutMs)
    await script.ended
    clearTimeout(timer)
    await running.close({ drainMs: 1000 })
  } finally {
    await provider.close()
  }
  const verdict = funnel.verdict(Date.now())
  if (verdict.step !== 'model-call') {
    const said = lines.findLast((line) => line.trim() !== '')
    const what = `a call of our own was not seen: ${verdict.text}`
    return fail('call', said === undefined ? what : `${what} (${said.trim()})`, verdict.fix)
  }
  const recorded = await answersIn(capturePath)
  if (recorded === 0) {
    const next = 'look whether the disk of the temporary folder is full'
    return fail('call', 'a call of our own was seen, and not recorded', next)
  }
  const what = 'a call through a proxy on loopback: connected, decrypted, understood, recorded'
  return ok('call', visibleLine(what))
}

function builderFor(
  port: number,
  rootPem: string,
  token: string,
  capture: FileLogger,
): PortholeBuilder {
  const builder = new PortholeBuilder()
    .listen('127.0.0.1:0')
    .allowHosts(...demoHosts)
    .upstreamCa(rootPem)
    .requireToken('porthole', token)
  for (const host of demoHosts) {
    builder.connectTo({ host, port: 443, kind: 'name' }, { host: '127.0.0.1', port, kind: 'ipv4' })
  }
  for (const analyzer of [...defaultAnalyzers(), capture]) builder.addAnalyzer(analyzer)
  return builder
}

async function answersIn(path: string): Promise<number> {
  let count = 0
  for await (const line of readCapture(path)) {
    if (line.type === 'message' && line.msg.kind === 'model-answered') count += 1
  }
  return count
}
