/** One line about a picture or a sound: its type, its size, its dimensions. */
import { formatBytes, formatDuration } from './format.ts'

export interface MediaText {
  readonly mediaType?: string | undefined
  readonly bytes?: number | undefined
  readonly width?: number | undefined
  readonly height?: number | undefined
  readonly durationMs?: number | undefined
}

/** `image/png, 1024×768, 1.2 MB`. The type is untrusted text. */
export function describeMedia(media: MediaText): string {
  const { mediaType, bytes, width, height, durationMs } = media
  return [
    mediaType,
    width === undefined || height === undefined ? undefined : `${width}×${height}`,
    durationMs === undefined ? undefined : formatDuration(durationMs),
    bytes === undefined ? undefined : formatBytes(bytes),
  ]
    .filter((piece) => piece !== undefined)
    .join(', ')
}
