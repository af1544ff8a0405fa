import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { openAuthority } from '../../../ca/key-store.ts'
import { runCa } from '../../ca/ca-command.ts'
import { scratchDirectory } from '../../ca/external-tools.ts'

let scratch: ReturnType<typeof scratchDirectory>
beforeEach(() => {
  scratch = scratchDirectory()
})
afterEach(() => scratch.remove())

const commands = ['show', 'export', 'install', 'uninstall', 'status', 'rotate']

describe('porthole ca', () => {
  it.each(commands)('%s has an example in its help', async (name) => {
    const { text, failure } = await runCa([name, '--help'], { home: scratch.path, catches: true })

    expect(failure).toMatchObject({ code: 'commander.helpDisplayed' })
    expect(text).toContain(`Example:\n  porthole ca ${name}`)
    expect(text).toContain('--home <dir>')
  })

  it('lists its commands', async () => {
    const { text } = await runCa(['--help'], { home: scratch.path, catches: true })

    for (const name of commands) expect(text).toContain(`  ${name} `)
  })

  it('looks in the folder that --home names', async () => {
    const other = join(scratch.path, 'other')
    const options = { permittedHosts: ['y.com'], now: new Date() }
    await openAuthority(join(other, 'ca'), options)

    const { text } = await runCa(['show', '--home', other], { home: scratch.path })

    expect(text).toContain('y.com')
  })

  it.each([
    [['export', '--format', 'jks'], 'Allowed choices are pem, der, p12'],
    [['install', '--store', 'x'], 'Allowed choices are system, nss, java, all'],
    [['rotate', '--permit', 'a.com,'], 'expected HOST[,HOST...]'],
    [['install', '--old'], "unknown option '--old'"],
    [['sho'], "unknown command 'sho'"],
  ])('refuses %j', async (args, reason) => {
    const { failure } = await runCa(args, { home: scratch.path, catches: true })

    expect(failure).toMatchObject({ message: expect.stringContaining(reason) })
  })

  it('takes several hosts after --permit, with commas and repeated', async () => {
    const args = ['rotate', '--permit', 'a.com,b.com', 'c.com', '--permit', 'd.com']

    await runCa(args, { home: scratch.path })

    expect(readFileSync(join(scratch.path, 'ca', 'ca.pem'), 'utf8')).toContain('BEGIN CERTIFICATE')
    const { text } = await runCa(['show'], { home: scratch.path })
    for (const host of ['a.com', 'b.com', 'c.com', 'd.com']) expect(text).toContain(host)
  })
})
