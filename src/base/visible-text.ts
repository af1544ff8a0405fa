/**
 * Makes untrusted text safe to print: no byte of it can move the cursor, ring, retitle the window,
 * write the clipboard or reorder what is read. Escaped are C0, DEL, C1 (ECMA-48), the bidirectional
 * controls and isolates (Unicode TR 9), zero-width and line-separating characters, and lone
 * surrogates. Escapes read as `\x1b`, `\u202e`.
 */

const unsafe =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|[\u{e0000}-\u{e007f}]/gu
const unsafeButLines = new RegExp(
  unsafe.source.replace('\\u0000-\\u001f', '\\u0000-\\u0008\\u000b-\\u001f'),
  'gu',
)

/** One line: newlines and tabs are escaped too. */
export function visibleLine(text: string): string {
  return text.replaceAll(unsafe, escapeCharacter)
}

/** Several lines: `\n` stays (CRLF becomes `\n`), a tab becomes two spaces, all else is escaped. */
export function visibleText(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replaceAll('\t', '  ')
    .replaceAll(unsafeButLines, escapeCharacter)
}

function escapeCharacter(character: string): string {
  if (character === '\n') return String.raw`\n`
  if (character === '\r') return String.raw`\r`
  if (character === '\t') return String.raw`\t`
  const code = character.codePointAt(0) ?? 0
  if (code <= 0xff) return String.raw`\x${code.toString(16).padStart(2, '0')}`
  if (code <= 0xffff) return String.raw`\u${code.toString(16).padStart(4, '0')}`
  return String.raw`\u{${code.toString(16)}}`
}
