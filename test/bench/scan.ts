/** What looking for the values of 1,000 stored secrets costs, per byte of what is looked through. */
import { randomBytes } from 'node:crypto'

import { seedBytes, ValueScanner } from '../../src/policy/value-scanner.ts'

const secrets = 1_000
const rounds = 25
const targetNs = 2
const size = 1024 * 1024

/** Lines of a report: the best of many rounds, for others use this machine too. */
export function benchScan(): string[] {
  const scanner = new ValueScanner(randomBytes(seedBytes))
  for (let index = 0; index < secrets; index += 1) {
    scanner.add(`s${index}`, `sk-ant-api03-${randomBytes(48).toString('base64url')}`)
  }
  const prose = 'the words of a long conversation, as JSON has them: {"role":"user"} '
  const text = prose.repeat(Math.ceil(size / prose.length))
  const base64 = randomBytes(size).toString('base64')
  const beginnings = 'sk-ant-api03-'.repeat(Math.ceil(size / 13))
  const strings = text.match(/.{24}/gu) ?? []
  const bytes = Buffer.from(text)
  const cases: ReadonlyArray<readonly [string, number, () => unknown]> = [
    ['text', text.length, () => scanner.find(text)],
    ['bytes', bytes.length, () => scanner.findIn(bytes)],
    ['base64', base64.length, () => scanner.find(base64)],
    ['strings of 24', text.length, () => strings.map((each) => scanner.find(each))],
    ['beginnings alone', beginnings.length, () => scanner.find(beginnings)],
  ]
  return [
    `looking for ${secrets} values, per byte   (target: ${targetNs} ns over text)`,
    ...cases.map(([name, length, work]) => {
      const ns = fastestMs(work) * (1e6 / length)
      return `${name.padEnd(24)} ${`${ns.toFixed(2)} ns`.padStart(9)}`
    }),
  ]
}

function fastestMs(work: () => unknown): number {
  let fastest = Infinity
  for (let round = 0; round < rounds; round += 1) {
    const startedMs = performance.now()
    work()
    fastest = Math.min(fastest, performance.now() - startedMs)
  }
  return fastest
}
