/**
 * Keys that are known by their looks: the prefixes of providers, JSON Web Tokens, private keys.
 * Content is large and keys are rare: one pass for each of a few rare characters leads to all of
 * them, and no stretch of text is read twice for one shape, whatever it is made of.
 */
import type { SecretRange } from './secret-range.ts'

interface KeyShape {
  /** One of them begins every such key. */
  readonly literals: readonly string[]
  /** A character of the literals that other text has little of, by its place in them. */
  readonly anchor: number
  readonly shape: RegExp
  /**
   * What one such key may begin within another of: where none begins at its start, none begins
   * later in it, and where one does, those within it end where it does, or further on.
   */
  readonly run?: RegExp
}

const keyShapes: readonly KeyShape[] = [
  { literals: ['sk-'], anchor: 2, shape: /sk-(?=[\w-]*\d)[\w-]{20,}/uy, run: /[\w-]*/uy },
  { literals: ['AIza'], anchor: 2, shape: /AIza[\w-]{35,}/uy, run: /[\w-]*/uy },
  {
    literals: ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'],
    anchor: 3,
    shape: /gh[pousr]_[A-Za-z\d]{20,}/uy,
  },
  { literals: ['github_pat_'], anchor: 10, shape: /github_pat_\w{22,}/uy, run: /\w*/uy },
  { literals: ['glpat-'], anchor: 5, shape: /glpat-[\w-]{20,}/uy, run: /[\w-]*/uy },
  {
    literals: ['xoxb-', 'xoxa-', 'xoxp-', 'xoxr-', 'xoxs-'],
    anchor: 4,
    shape: /xox[baprs]-[A-Za-z\d-]{10,}/uy,
    run: /[A-Za-z\d-]*/uy,
  },
  { literals: ['xai-'], anchor: 3, shape: /xai-(?=[A-Za-z]*\d)[A-Za-z\d]{32,}/uy },
  { literals: ['gsk_'], anchor: 3, shape: /gsk_[A-Za-z\d]{32,}/uy },
  { literals: ['hf_'], anchor: 2, shape: /hf_[A-Za-z\d]{30,}/uy },
  { literals: ['npm_'], anchor: 3, shape: /npm_[A-Za-z\d]{36,}/uy },
  { literals: ['aoc_'], anchor: 3, shape: /aoc_\w{16,}/uy, run: /\w*/uy },
  {
    literals: ['porthole_agent_', 'porthole_route_'],
    anchor: 14,
    shape: /porthole_(?:agent|route)_[\w-]{51,}/uy,
    run: /[\w-]*/uy,
  },
  { literals: ['starpod:v1:'], anchor: 10, shape: /starpod:v1:[\w+/=.-]{16,}/uy },
  { literals: ['porthole:v1:'], anchor: 11, shape: /porthole:v1:[\w+/=.-]{16,}/uy },
  // The same, percent-encoded in a form or a URL.
  {
    literals: ['starpod%3Av1%3A', 'starpod%3av1%3a'],
    anchor: 7,
    shape: /starpod%3[Aa]v1%3[Aa][\w%.+/=-]{16,}/uy,
  },
  {
    literals: ['porthole%3Av1%3A', 'porthole%3av1%3a'],
    anchor: 8,
    shape: /porthole%3[Aa]v1%3[Aa][\w%-]{16,}/uy,
  },
  // A JSON Web Token (RFC 7519): three parts, the first two of them JSON objects in base64url.
  {
    literals: ['eyJ'],
    anchor: 2,
    shape: /eyJ[\w-]{10,}\.eyJ[\w-]{5,}\.[\w-]{16,}/uy,
    run: /[\w-]*/uy,
  },
  {
    literals: ['-----BEGIN '],
    anchor: 5,
    shape: /-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\w+/=\s\\]{16,8192}(?:-----END)?/uy,
  },
]

interface Row {
  readonly literal: string
  readonly anchor: number
  readonly shape: KeyShape
}

/** By anchor, and by the code of the character before it. */
const rowsByAnchor = groupRows()

function groupRows(): ReadonlyArray<readonly [string, ReadonlyArray<readonly Row[] | undefined>]> {
  const groups = new Map<string, Row[][]>()
  for (const shape of keyShapes) {
    const { literals, anchor } = shape
    for (const literal of literals) {
      const rows = groups.get(literal.charAt(anchor)) ?? []
      groups.set(literal.charAt(anchor), rows)
      const before = literal.charCodeAt(anchor - 1)
      rows[before] = [...(rows[before] ?? []), { literal, anchor, shape }]
    }
  }
  return [...groups]
}

const letterOrDigit = /[A-Za-z\d]/u

/** In no order. */
export function findKeys(text: string, into: SecretRange[]): void {
  let search: KeySearch | undefined
  for (const [anchor, rowsByBefore] of rowsByAnchor) {
    for (let at = text.indexOf(anchor, 1); at !== -1; at = text.indexOf(anchor, at + 1)) {
      const rows = rowsByBefore[text.charCodeAt(at - 1)]
      if (rows === undefined) continue
      search ??= new KeySearch(text, into)
      search.take(rows, at)
    }
  }
}

class KeySearch {
  readonly #text: string
  readonly #into: SecretRange[]
  /** Up to where a shape need not be looked for. */
  readonly #seen = new Map<KeyShape, number>()

  constructor(text: string, into: SecretRange[]) {
    this.#text = text
    this.#into = into
  }

  take(rows: readonly Row[], at: number): void {
    for (const { literal, anchor, shape } of rows) {
      if (this.#text.startsWith(literal, at - anchor)) this.#takeAt(shape, at - anchor)
    }
  }

  #takeAt(key: KeyShape, start: number): void {
    if (start > 0 && letterOrDigit.test(this.#text.charAt(start - 1))) return
    if (start < (this.#seen.get(key) ?? 0)) return
    if (key.run !== undefined) this.#seen.set(key, endOf(key.run, this.#text, start))
    const end = endOf(key.shape, this.#text, start)
    if (end === start) return
    const open = end === this.#text.length ? { open: { kind: 'token' } as const } : {}
    this.#into.push({ from: start, start, end, ...open })
  }
}

function endOf(shape: RegExp, text: string, start: number): number {
  shape.lastIndex = start
  return start + (shape.exec(text)?.[0].length ?? 0)
}
