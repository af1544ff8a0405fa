/**
 * From the paths that were seen to those that a rule can name: an id gives way to what stands before
 * it, but only where another id in the same place proves that it is one. Never a path that covers
 * what none of its ids proves, unless there are more than a list of rules can hold. Pure.
 */

/** Of one host; beyond that, those with the most in common are joined. */
const maxPatterns = 64

interface Node {
  readonly path: string
  readonly children: Map<string, Node>
  isSeen: boolean
}

/**
 * For each path the one that a rule would name: itself, or `/v1/files/*` for `/v1/files` and all
 * below. Every path must begin with a slash.
 */
export function groupPaths(paths: Iterable<string>): Map<string, string> {
  const seen = new Set(paths)
  const root = createNode('')
  for (const path of seen) enter(root, path)
  const patterns = patternsOf(root)
  while (patterns.size > maxPatterns) join(patterns)
  return new Map(Array.from(seen, (path) => [path, coverOf(path, patterns)]))
}

/** Whether a part of a path looks like the name of one thing among many. */
export function looksLikeId(segment: string): boolean {
  if (/^\d+$/u.test(segment)) return true
  if (/^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/iu.test(segment)) return true
  const words = segment.split(/[^A-Za-z\d]+/u)
  return words.some(
    (word) =>
      word.length >= 6 &&
      /\d/u.test(word) &&
      /[A-Za-z]/u.test(word) &&
      !/^v\d+(?:alpha|beta)\d*$/u.test(word),
  )
}

function createNode(path: string): Node {
  return { path, children: new Map(), isSeen: false }
}

function enter(root: Node, path: string): void {
  let node = root
  for (const segment of path.split('/').slice(1)) {
    const child = node.children.get(segment) ?? createNode(`${node.path}/${segment}`)
    node.children.set(segment, child)
    node = child
  }
  node.isSeen = true
}

function patternsOf(root: Node): Set<string> {
  const patterns = new Set<string>()
  const waiting = [root]
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (node.isSeen) patterns.add(node.path)
    const children = [...node.children]
    const ids = children.filter(([segment]) => looksLikeId(segment))
    const isProven = ids.length > 1
    if (isProven) patterns.add(`${node.path}/*`)
    for (const [segment, child] of children) {
      if (!isProven || !looksLikeId(segment)) waiting.push(child)
    }
  }
  // What a star covers needs no row of its own.
  return new Set([...patterns].filter((pattern) => !isCovered(pattern, patterns)))
}

function isCovered(pattern: string, patterns: ReadonlySet<string>): boolean {
  const bare = pattern.endsWith('/*') ? pattern.slice(0, -2) : pattern
  if (bare === pattern && patterns.has(`${bare}/*`)) return true
  return parentsOf(bare).some((parent) => patterns.has(`${parent}/*`))
}

/** The one with the most siblings takes them, and what is below them, in. */
function join(patterns: Set<string>): void {
  const siblings = new Map<string, number>()
  for (const pattern of patterns) {
    const bare = pattern.endsWith('/*') ? pattern.slice(0, -2) : pattern
    for (const parent of parentsOf(bare).slice(0, 1)) {
      siblings.set(parent, (siblings.get(parent) ?? 0) + 1)
    }
  }
  const [[most] = ['']] = [...siblings].toSorted(([a, x], [b, y]) => y - x || b.length - a.length)
  patterns.add(`${most}/*`)
  for (const pattern of patterns) {
    if (pattern !== `${most}/*` && (pattern === most || pattern.startsWith(`${most}/`))) {
      patterns.delete(pattern)
    }
  }
}

function coverOf(path: string, patterns: ReadonlySet<string>): string {
  if (patterns.has(path)) return path
  const parent = [path, ...parentsOf(path)].find((each) => patterns.has(`${each}/*`))
  return parent === undefined ? path : `${parent}/*`
}

/** The nearest first; the empty one, which stands for the whole host, last. */
function parentsOf(path: string): string[] {
  const segments = path.split('/')
  return segments
    .slice(1)
    .map((_, index) => segments.slice(0, segments.length - 1 - index).join('/'))
}
