/** What the README says is so: its options, its commands, its example. `UPDATE_DOCS=1` rewrites the table. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { boundRows } from '../../src/config/bounds.ts'
import { formatBound } from '../../src/config/limits.ts'
import { optionsOf } from '../../src/config/options.ts'
import { createUpstreamRoot, startHttpsUpstream } from '../support/upstream.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const readmePath = join(root, 'README.md')

function renderOptions(): string {
  const rows = optionsOf('run')
    .concat(optionsOf('start'))
    .filter((row, index, all) => all.indexOf(row) === index)
    .map((row) => {
      const only = row.commands.filter((command) => command !== 'demo')
      const where = only.length === 1 ? ` (\`${only.join('')}\` only)` : ''
      const variables = row.env.map((name) => `\`${name}\``).join(' ')
      const cells = [`\`${row.flag}\``, row.help + where, row.defaultText ?? '', variables]
      return `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |`
    })
  return [
    '| option | what it does | default | environment |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

function renderLimits(): string {
  const rows = boundRows.map((row) => {
    const mark = row.mayBeOff === true ? ' †' : ''
    return `| \`${row.name}=${formatBound(row, row.default)}\`${mark} | ${row.help} | \`${row.key}\` |`
  })
  return ['| limit and default | what it bounds | key |', '|---|---|---|', ...rows, ''].join('\n')
}

test.each([
  ['options', renderOptions],
  ['limits', renderLimits],
])('the table of %s is the one that the command line is made from', (name, render) => {
  const begin = `<!-- ${name}:begin -->\n`
  const end = `<!-- ${name}:end -->`
  const readme = readFileSync(readmePath, 'utf8')
  const [before = '', rest = ''] = readme.split(begin)
  const [table = '', after = ''] = rest.split(end)
  if (process.env['UPDATE_DOCS'] === '1') {
    writeFileSync(readmePath, `${before}${begin}${render()}${end}${after}`)
    return
  }

  expect(table).toBe(render())
})

test('every limit stands in the table of bounds with its name', () => {
  const architecture = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')
  const named = Array.from(
    architecture.matchAll(/\| `(?<name>[a-z][a-z-]*)` \|$/gmu),
    (match) => match[1],
  )

  expect(new Set(named)).toEqual(new Set(boundRows.map(({ name }) => name)))
})

test('the library example runs as it stands', async () => {
  const readme = readFileSync(readmePath, 'utf8')
  const example = /```ts\n(?<code>[\s\S]*?)```/u.exec(readme)?.groups?.['code'] ?? ''
  const host = 'api.openai.com'
  const authority = createUpstreamRoot(host)
  const answer = readFileSync(join(root, 'test/fixtures/provider/openai-chat.json'), 'utf8')
  const recorded = JSON.parse(answer) as { response: { body: { text?: string; base64?: string } } }
  const body = recorded.response.body
  const bytes = Buffer.from(
    body.text ?? body.base64 ?? '',
    body.text === undefined ? 'base64' : 'utf8',
  )
  const upstream = await startHttpsUpstream(authority, host, (_request, response) => {
    response.setHeader('content-type', 'application/json')
    if (body.text === undefined) response.setHeader('content-encoding', 'gzip')
    response.end(bytes)
  })
  const folder = mkdtempSync(join(tmpdir(), 'porthole-readme-'))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules', 'porthole'), 'dir')
  // The one line that differs: where the upstream is, for a test that must not leave the machine.
  const here = `.connectTo({ host: '${host}', port: 443, kind: 'name' }, { host: '127.0.0.1', port: ${upstream.port}, kind: 'ipv4' })`
  const trusted = `.upstreamCa(${JSON.stringify(authority.certificatePem)})`
  writeFileSync(
    join(folder, 'example.mjs'),
    example.replace('  .build()', `  ${here}${trusted}\n  .build()`),
  )
  const child = spawn(process.execPath, ['example.mjs'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const errors = text(child.stderr)
  const exited = once(child, 'exit')
  try {
    let printed = ''
    let asked: Promise<unknown> | undefined
    for await (const chunk of child.stdout) {
      printed += String(chunk)
      const ready = /proxy on (?<url>\S+); CA certificate in (?<ca>\S+)/u.exec(printed)?.groups
      if (ready !== undefined) asked ??= ask(ready['url'] ?? '', ready['ca'] ?? '')
    }

    expect(await asked).toBe(200)
    expect(await errors).toBe('')
    expect((await exited)[0]).toBe(0)
    expect(printed).toMatch(/gpt\S* 200 \d+ /u)
  } finally {
    child.kill('SIGKILL')
    await upstream.close()
    rmSync(folder, { recursive: true, force: true })
  }
})

/** One chat call with Node's own fetch, as a program beside the example would make it. */
async function ask(proxyUrl: string, caPath: string): Promise<number> {
  const program = `const answer = await fetch('https://api.openai.com/v1/chat/completions', { method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hello' }] }) })
  await answer.text()
  console.log(answer.status)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env: { HTTPS_PROXY: proxyUrl, NODE_USE_ENV_PROXY: '1', NODE_EXTRA_CA_CERTS: caPath },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return Number(await text(child.stdout))
}
