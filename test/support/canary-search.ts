/**
 * Looks for a secret in what a test has left: raw, in lower case, in base64 (also of longer text),
 * in hexadecimal digits, within gzip, and in bodies that a capture holds in base64.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib'

export interface Finding {
  readonly place: string
  readonly form: string
}

export interface CanarySearch {
  /** In which forms it stands there; none where it does not. */
  formsIn(bytes: Uint8Array | string): string[]
  /** Every file below a folder, but for installed packages. */
  inFolder(folder: string, isAllowed: (path: string) => boolean): Finding[]
}

export function createCanarySearch(secret: string): CanarySearch {
  const needles = needlesOf(secret)
  const formsIn = (bytes: Uint8Array | string): string[] => {
    const buffer = typeof bytes === 'string' ? Buffer.from(bytes) : asBuffer(bytes)
    return needles.filter(([, needle]) => buffer.includes(needle)).map(([form]) => form)
  }
  return {
    formsIn,
    inFolder: (folder, isAllowed) =>
      filesBelow(folder)
        .filter((path) => !isAllowed(path))
        .flatMap((path) =>
          layersOf(path)
            .flatMap((bytes) => formsIn(bytes))
            .map((form) => ({ place: path, form })),
        ),
  }
}

function needlesOf(secret: string): Array<readonly [form: string, needle: Buffer]> {
  const bytes = Buffer.from(secret)
  const within = [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
    // The first and the last character carry bits of what stands around.
    return [
      'base64',
      Buffer.from(text.replaceAll('=', '').slice(before === 0 ? 0 : before + 1, -1)),
    ] as const
  })
  return [
    ['raw', bytes],
    ['lower', Buffer.from(secret.toLowerCase())],
    ['hex', Buffer.from(bytes.toString('hex'))],
    ['hex', Buffer.from(bytes.toString('hex').toUpperCase())],
    ...within,
  ]
}

function filesBelow(folder: string): string[] {
  const found: string[] = []
  const rest = [folder]
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const here = next
    for (const entry of entriesOf(here)) {
      const path = join(here, entry.name)
      if (entry.isDirectory() && entry.name !== 'node_modules') rest.push(path)
      if (entry.isFile()) found.push(path)
    }
  }
  return found
}

function entriesOf(
  folder: string,
): Array<{ name: string; isDirectory(): boolean; isFile(): boolean }> {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    // Gone, or closed to everybody by the test.
    return []
  }
}

/** The bytes of a file, and what comes out of the codings in it. */
function layersOf(path: string): Uint8Array[] {
  const bytes = readOrNothing(path)
  const plain = path.endsWith('.gz') ? decoded(bytes) : [bytes]
  return path.includes('.jsonl') ? plain.flatMap(withBodies) : plain
}

function readOrNothing(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch {
    return Buffer.alloc(0)
  }
}

/** A capture, with the bodies in it that are no text. */
function withBodies(bytes: Buffer): Buffer[] {
  const bodies = Array.from(bytes.toString('latin1').matchAll(/"base64":"([^"]{8,})"/gu), (match) =>
    Buffer.from(match[1] ?? '', 'base64'),
  )
  return [bytes, ...bodies, ...bodies.flatMap(decoded)]
}

/** By whatever coding it has; nothing where it has none, or breaks off. */
function decoded(bytes: Buffer): Buffer[] {
  return [gunzipSync, brotliDecompressSync, zstdDecompressSync, inflateSync].flatMap((decode) => {
    try {
      return [decode(bytes)]
    } catch {
      return []
    }
  })
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
