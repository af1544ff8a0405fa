/**
 * What images and audio are, from their first bytes: type, size in pixels, length in time. It reads
 * headers only (PNG, JPEG, GIF, WebP; WAV, MP3, Ogg, FLAC) and decodes no content. Bytes are
 * untrusted: every read is within bounds, and what does not add up is left out.
 */

export interface MediaFacts {
  readonly mediaType: string
  /** Pixels. */
  readonly width?: number
  readonly height?: number
  /** Of MP3 without a frame count, an estimate from its first bit rate. */
  readonly durationMs?: number
}

export interface MediaSample {
  /** The beginning; `mediaHeadBytes` are enough. */
  readonly head: Uint8Array
  /** The end, which tells how long Ogg files are; may be empty or the same as `head`. */
  readonly tail: Uint8Array
  readonly bytes: number
}

/**
 * JPEG puts its size after its metadata, MP3 its first frame after its cover picture. Both bounds
 * are multiples of three: so many whole groups of base64.
 */
export const mediaHeadBytes = 258 * 1024
/** More than one Ogg page, which has at most 65,307 bytes. */
export const mediaTailBytes = 66 * 1024

export function sampleOf(bytes: Uint8Array): MediaSample {
  return {
    head: bytes.subarray(0, mediaHeadBytes),
    tail: bytes.subarray(Math.max(0, bytes.length - mediaTailBytes)),
    bytes: bytes.length,
  }
}

/** Undefined for bytes of no known kind. Never throws. */
export function readMedia(sample: MediaSample): MediaFacts | undefined {
  const head = viewOf(sample.head)
  for (const { magic, at, read } of kinds) {
    if (head.toString('latin1', at, at + magic.length) === magic) {
      const facts = read(head, sample)
      if (facts !== undefined) return facts
    }
  }
  return undefined
}

interface Kind {
  readonly magic: string
  readonly at: number
  readonly read: (head: Buffer, sample: MediaSample) => MediaFacts | undefined
}

const kinds: readonly Kind[] = [
  { magic: '\u0089PNG\r\n\u001a\n', at: 0, read: readPng },
  { magic: '\u00ff\u00d8\u00ff', at: 0, read: readJpeg },
  { magic: 'GIF87a', at: 0, read: readGif },
  { magic: 'GIF89a', at: 0, read: readGif },
  { magic: 'WEBP', at: 8, read: readWebp },
  { magic: 'WAVE', at: 8, read: readWave },
  { magic: 'OggS', at: 0, read: readOgg },
  { magic: 'fLaC', at: 0, read: readFlac },
  { magic: 'ID3', at: 0, read: readMp3 },
  { magic: '\u00ff', at: 0, read: readMp3 },
]

function readPng(head: Buffer): MediaFacts {
  const isHeader = head.length >= 24 && head.toString('latin1', 12, 16) === 'IHDR'
  return {
    mediaType: 'image/png',
    ...(isHeader ? pixels(head.readUInt32BE(16), head.readUInt32BE(20)) : {}),
  }
}

function readGif(head: Buffer): MediaFacts {
  return {
    mediaType: 'image/gif',
    ...(head.length >= 10 ? pixels(head.readUInt16LE(6), head.readUInt16LE(8)) : {}),
  }
}

/** ITU T.81 B.1: segments of a marker and a length, up to the frame header. */
function readJpeg(head: Buffer): MediaFacts {
  const mediaType = 'image/jpeg'
  let at = 2
  while (at + 9 <= head.length && head[at] === 0xff) {
    const marker = head[at + 1] ?? 0
    if (marker === 0xff) {
      at += 1
      continue
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)
    if (isFrame) {
      return { mediaType, ...pixels(head.readUInt16BE(at + 7), head.readUInt16BE(at + 5)) }
    }
    const length = head.readUInt16BE(at + 2)
    // Markers without content, or the scan itself: no size will follow.
    if (length < 2 || marker === 0xda) break
    at += 2 + length
  }
  return { mediaType }
}

/** RFC 9649: lossy, lossless and extended files each say it in their own way. */
function readWebp(head: Buffer): MediaFacts {
  const mediaType = 'image/webp'
  if (head.length < 30) return { mediaType }
  switch (head.toString('latin1', 12, 16)) {
    case 'VP8 ':
      if (head.readUIntBE(23, 3) !== 0x9d012a) return { mediaType }
      return {
        mediaType,
        ...pixels(head.readUInt16LE(26) & 0x3fff, head.readUInt16LE(28) & 0x3fff),
      }
    case 'VP8L': {
      const bits = head.readUInt32LE(21)
      return { mediaType, ...pixels((bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1) }
    }
    case 'VP8X':
      return { mediaType, ...pixels(head.readUIntLE(24, 3) + 1, head.readUIntLE(27, 3) + 1) }
    default:
      return { mediaType }
  }
}

/** Chunks of a name and a length; a length that was never filled in reaches to the end. */
function readWave(head: Buffer, { bytes }: MediaSample): MediaFacts {
  const mediaType = 'audio/wav'
  let bytesPerSecond = 0
  for (let at = 12; at + 8 <= head.length;) {
    const name = head.toString('latin1', at, at + 4)
    const length = head.readUInt32LE(at + 4)
    if (name === 'fmt ' && at + 20 <= head.length) bytesPerSecond = head.readUInt32LE(at + 16)
    if (name === 'data') {
      const data = Math.min(length, Math.max(0, bytes - at - 8))
      return { mediaType, ...duration(data, bytesPerSecond) }
    }
    at += 8 + length + (length % 2)
  }
  return { mediaType }
}

/** RFC 3533 §6; RFC 7845 §4 for Opus. The last page tells the position of its last sample. */
function readOgg(head: Buffer, { tail }: MediaSample): MediaFacts {
  const mediaType = 'audio/ogg'
  const payload = 27 + (head[26] ?? 0)
  const isOpus = head.toString('latin1', payload, payload + 8) === 'OpusHead'
  const isVorbis = head.toString('latin1', payload, payload + 7) === '\u0001vorbis'
  if ((!isOpus && !isVorbis) || payload + 16 > head.length) return { mediaType }
  const end = viewOf(tail)
  const last = end.lastIndexOf('OggS')
  if (last === -1 || last + 14 > end.length) return { mediaType }
  const position = Number(end.readBigInt64LE(last + 6))
  return isOpus
    ? { mediaType, ...duration(position - head.readUInt16LE(payload + 10), 48_000) }
    : { mediaType, ...duration(position, head.readUInt32LE(payload + 12)) }
}

/** RFC 9639 §8.2: the stream information is the first block, without exception. */
function readFlac(head: Buffer): MediaFacts {
  const mediaType = 'audio/flac'
  if (head.length < 26) return { mediaType }
  const rate = head.readUIntBE(18, 3) >>> 4
  const samples = ((head[21] ?? 0) & 0x0f) * 2 ** 32 + head.readUInt32BE(22)
  return { mediaType, ...duration(samples, rate) }
}

const bitRates = {
  /** MPEG 1, layer 3; kbit/s. */
  first: [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  /** MPEG 2 and 2.5, layer 3. */
  second: [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
} as const
const sampleRates = [44_100, 48_000, 32_000]

/** ISO 11172-3 §2.4: layer 3 only, behind an ID3v2 tag if there is one. */
function readMp3(head: Buffer, { bytes }: MediaSample): MediaFacts | undefined {
  const mediaType = 'audio/mpeg'
  const hasTag = head.toString('latin1', 0, 3) === 'ID3'
  const start = hasTag ? 10 + syncSafe(head, 6) : 0
  const frame = start + 4 <= head.length ? readFrame(head.readUInt32BE(start)) : undefined
  if (frame === undefined) return hasTag ? { mediaType } : undefined
  const counted = frameCount(head.subarray(start, start + 200))
  return counted === undefined
    ? { mediaType, ...duration(bytes - start, frame.bytesPerSecond) }
    : { mediaType, ...duration(counted * frame.samples, frame.sampleRate) }
}

function readFrame(
  header: number,
): { bytesPerSecond: number; samples: number; sampleRate: number } | undefined {
  const version = (header >>> 19) & 3
  const isLayer3 = ((header >>> 17) & 3) === 1
  const rates = version === 3 ? bitRates.first : bitRates.second
  const bitRate = rates[(header >>> 12) & 15]
  const sampleRate = sampleRates[(header >>> 10) & 3]
  if (header >>> 21 !== 0x7ff || version === 1 || !isLayer3) return undefined
  if (bitRate === undefined || bitRate === 0 || sampleRate === undefined) return undefined
  return {
    bytesPerSecond: bitRate * 125,
    samples: version === 3 ? 1152 : 576,
    sampleRate: sampleRate / (version === 3 ? 1 : version === 2 ? 2 : 4),
  }
}

/** The count that encoders leave in an empty first frame. */
function frameCount(frame: Buffer): number | undefined {
  const at = Math.max(frame.indexOf('Xing'), frame.indexOf('Info'))
  if (at === -1 || at + 12 > frame.length) return undefined
  return (frame.readUInt32BE(at + 4) & 1) === 1 ? frame.readUInt32BE(at + 8) : undefined
}

function syncSafe(head: Buffer, at: number): number {
  if (at + 4 > head.length) return 0
  return [0, 1, 2, 3].reduce((sum, index) => sum * 128 + ((head[at + index] ?? 0) & 0x7f), 0)
}

function pixels(width: number, height: number): { width?: number; height?: number } {
  return width > 0 && height > 0 ? { width, height } : {}
}

function duration(units: number, perSecond: number): { durationMs?: number } {
  const ms = Math.round((units * 1_000) / perSecond)
  return perSecond > 0 && Number.isSafeInteger(ms) && ms >= 0 ? { durationMs: ms } : {}
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
