/**
 * Porthole as built in dist/, a process of its own. `tunnel`: nothing on the allowlist; `bare`:
 * intercepts without analyzers or capture; `full`: default analyzers and a capture; `audit`: that and
 * the audit. The process collects its garbage as that of the command line does.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import type * as auditModule from '../../../src/audit/audit-log.ts'
import type * as clockModule from '../../../src/base/clock.ts'
import type * as collectorModule from '../../../src/cli/collector.ts'
import type * as libraryModule from '../../../src/index.ts'
import { builtUrl } from '../built.ts'
import { serveParent, settingsFromParent } from '../serve-parent.ts'

const settings = settingsFromParent() as {
  readonly mode: 'tunnel' | 'bare' | 'full' | 'audit'
  readonly originPort: number
  readonly rootPath: string
  readonly directory: string
}

// A build from before has nothing to set.
const collector = builtUrl('src/cli/collector.js')
if (existsSync(collector)) {
  const { keepYoungGenerationSmall } = (await import(collector.href)) as typeof collectorModule
  keepYoungGenerationSmall()
}
const library = (await import(builtUrl('src/index.js').href)) as typeof libraryModule

const builder = new library.PortholeBuilder()
  .listen('127.0.0.1:0')
  .allowHosts(settings.mode === 'tunnel' ? 'api.openai.com' : `localhost:${settings.originPort}`)
  // Dialled as a user would name a staging host: loopback needs no leave then.
  .connectTo(
    { host: 'localhost', port: settings.originPort, kind: 'name' },
    { host: '127.0.0.1', port: settings.originPort, kind: 'ipv4' },
  )
  .upstreamCa(readFileSync(settings.rootPath, 'utf8'))
if (settings.mode === 'full' || settings.mode === 'audit') {
  for (const analyzer of library.defaultAnalyzers()) builder.addAnalyzer(analyzer)
  builder.addAnalyzer(new library.FileLogger(join(settings.directory, 'capture.jsonl')))
}
if (settings.mode === 'audit') {
  const { AuditLog } = (await import(builtUrl('src/audit/audit-log.js').href)) as typeof auditModule
  const { createSystemClock } = (await import(
    builtUrl('src/base/clock.js').href
  )) as typeof clockModule
  builder.audit(
    new AuditLog({
      path: join(settings.directory, 'audit.db'),
      clock: createSystemClock(),
      pid: process.pid,
      user: 'bench',
      isOn: () => true,
      isDemanded: false,
      onProblem: ({ type }) => process.stderr.write(`audit: ${type}\n`),
    }),
  )
}
const running = await builder.build().start()

serveParent(
  { dropped: () => running.stats().droppedMessages },
  { port: running.port, caPem: readFileSync(running.caCertPath, 'utf8') },
  () => running.close({ drainMs: 0 }),
)
