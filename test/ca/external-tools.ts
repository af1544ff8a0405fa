/** Runs the programs that serve as oracles: openssl, curl, python, keytool, certutil and shells. */
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface ToolResult {
  readonly code: number
  readonly output: string
}

/** Never rejects: a program that fails is an answer too. Trust variables of this machine are off. */
export function runTool(
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<ToolResult> {
  return new Promise((resolve) => {
    execFile(file, args, { env: { ...cleanEnvironment(), ...env } }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      resolve({ code, output: `${stdout}${stderr}${error === null ? '' : error.message}` })
    })
  })
}

export function hasTool(name: string): boolean {
  try {
    execFileSync('sh', ['-c', `PATH=$PATH:/usr/sbin:/sbin command -v ${name}`], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** A temporary folder for one test file, and its removal. */
export function scratchDirectory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'porthole-test-ca-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

function cleanEnvironment(): NodeJS.ProcessEnv {
  const trust = /^(?:SSL_CERT|NODE_EXTRA|CURL_CA|REQUESTS_CA|https?_proxy|all_proxy|JAVA_)/iu
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !trust.test(name)))
}
