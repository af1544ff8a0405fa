/** Text that would drive a terminal, or the eye, astray if it were printed as it is. */
export const hostileTexts: readonly string[] = [
  '\u001b[2J\u001b[H wiped',
  '\u001b]0;new title\u0007',
  '\u001b]8;;https://evil.example\u001b\\link\u001b]8;;\u001b\\',
  '\u001b]52;c;ZXZpbA==\u0007',
  '\u001bP1;1|17/ab\u001b\\',
  '\u001b[31mred\u001b[0m',
  '\u009b2J\u009d0;title\u009c',
  'bell\u0007 back\b\b\b cr\rover\u007f \u0000nul \u000b\u000c',
  'user\u202e gnp.exe\u202c \u2066iso\u2069 \u061c\u200f',
  'zero\u200b\u200c\u200d\u2060\ufeffwidth \u00ad soft',
  `flood${'\u0301'.repeat(5000)} end`,
  `\u0301\u0302 leading marks`,
  'long '.repeat(200_000),
  'x'.repeat(1_000_000),
  'lone \ud800 and \udc00 surrogates \udfff\ud83d',
  'line\u2028separator\u2029and\u0085nel',
  '\u{e0041}\u{e0042} tags',
  'tabs\tand\r\nlines\n\n\nmore',
  '日本語 한국어 \u{1f469}\u200d\u{1f467} \u{1f1e9}\u{1f1ea} wide',
]

const sgr = /\u001b\[[0-9;]*m/gu
/** Everything that must not be in a frame once our own colours are taken out. */
const unsafe =
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|[\u{e0000}-\u{e007f}]|\p{M}{5}/u

/** What is left of a frame without colours. */
export function withoutColors(frame: string): string {
  return frame.replaceAll(sgr, '')
}

/** The first character of `frame` that is neither text nor one of our colours, or undefined. */
export function findUnsafe(frame: string): string | undefined {
  const found = unsafe.exec(withoutColors(frame))
  return found === null ? undefined : JSON.stringify(found[0])
}
