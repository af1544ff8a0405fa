/**
 * A process that is meant to be killed: it adds secrets and takes the vault to new keys, without
 * end, and writes a line for each that was acknowledged. `node vault-writer.ts HOME FIRST`.
 */
import { writeSync } from 'node:fs'

import { parseHostPattern } from '../../src/policy/host-pattern.ts'
import { openVaultIn } from '../../src/vault/vault.ts'

const [home = '', first = '0'] = process.argv.slice(2)
const { secrets } = openVaultIn({ home, env: {} })

writeSync(1, 'ready\n')
for (let index = Number(first); ; index += 1) {
  await secrets.add({
    name: `s${index}`,
    hosts: [parseHostPattern(`h${index}.example`)],
    path: undefined,
    location: { type: 'header', name: 'x-key', format: '{}', ifPresent: false },
    content: { kind: 'value', text: `value-of-${index}` },
  })
  writeSync(1, `s${index}\n`)
  await secrets.rotateKey()
}
