/**
 * `node test/bench/profile.ts FILE.cpuprofile [LINES]`: the functions of our own code and of
 * packages that took most time, themselves and with all that they called, as shares of the time
 * in which the process was busy. Native work counts for no function but as a place of its own.
 */
import { readFileSync } from 'node:fs'

interface ProfileNode {
  readonly id: number
  readonly callFrame: {
    readonly functionName: string
    readonly url: string
    readonly lineNumber: number
  }
  readonly children?: readonly number[]
}

interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

const [path, lines = '30'] = process.argv.slice(2)
if (path === undefined) {
  process.exitCode = 2
  process.stderr.write('usage: node test/bench/profile.ts FILE.cpuprofile [LINES]\n')
} else process.stdout.write(summarize(readProfile(path), Number(lines)))

function readProfile(file: string): CpuProfile {
  return JSON.parse(readFileSync(file, 'utf8')) as CpuProfile
}

function summarize(profile: CpuProfile, count: number): string {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const micros = new Map<number, number>()
  for (const [index, id] of profile.samples.entries()) {
    add(micros, id, profile.timeDeltas[index] ?? 0)
  }
  const sums: Sums = { places: new Map(), selfs: new Map(), totals: new Map() }
  const root = profile.nodes[0]
  const busy = root === undefined ? 0 : collect(root, { nodes, micros, sums }, new Set())
  const share = (part: number | undefined): string =>
    (((part ?? 0) / busy) * 100).toFixed(2).padStart(6)
  return [
    `busy for ${(busy / 1e6).toFixed(1)} s; shares in %`,
    ...largest(sums.places, count).map(([name, part]) => `${share(part)}  ${name}`),
    '',
    '  self   total  by self time',
    ...largest(sums.selfs, count).map(
      ([name, part]) => `${share(part)}  ${share(sums.totals.get(name))}  ${name}`,
    ),
    '',
    '  self   total  by total time',
    ...largest(sums.totals, count).map(
      ([name, part]) => `${share(sums.selfs.get(name))}  ${share(part)}  ${name}`,
    ),
    '',
  ].join('\n')
}

interface Sums {
  readonly places: Map<string, number>
  readonly selfs: Map<string, number>
  readonly totals: Map<string, number>
}

interface Walk {
  readonly nodes: ReadonlyMap<number, ProfileNode>
  readonly micros: ReadonlyMap<number, number>
  readonly sums: Sums
}

/** Sums up a node and all below it; `above` holds the functions that are being counted already. */
function collect(node: ProfileNode, walk: Walk, above: ReadonlySet<string>): number {
  const { functionName, url, lineNumber } = node.callFrame
  if (functionName === '(idle)') return 0
  const self = walk.micros.get(node.id) ?? 0
  const place = placeOf(url, functionName)
  add(walk.sums.places, place, self)
  const isNamed = place === 'own code' || place.startsWith('package')
  const file = url.replace(/^.*\/(?=(?:dist|node_modules|bench)\/)/u, '')
  const name = `${functionName || '(anonymous)'}  ${file}:${lineNumber + 1}`
  if (isNamed) add(walk.sums.selfs, name, self)
  const within = isNamed ? new Set(above).add(name) : above
  let total = self
  for (const id of node.children ?? []) {
    const child = walk.nodes.get(id)
    if (child !== undefined) total += collect(child, walk, within)
  }
  if (isNamed && !above.has(name)) add(walk.sums.totals, name, total)
  return total
}

function largest(sums: ReadonlyMap<string, number>, count: number): Array<[string, number]> {
  return [...sums].sort(([, a], [, b]) => b - a).slice(0, count)
}

function placeOf(url: string, name: string): string {
  if (url.startsWith('node:')) return url.replace(/^(node:[^/]+(?:\/[^/]+)?).*$/u, '$1')
  const inPackage = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//u.exec(url)?.[1]
  if (inPackage !== undefined) return `package ${inPackage}`
  if (url !== '') return 'own code'
  return name.startsWith('(') ? name : `native ${name}`
}

function add<K>(sums: Map<K, number>, key: K, value: number): void {
  sums.set(key, (sums.get(key) ?? 0) + value)
}
