/** Classes of characters as tables, for text that has one character per byte. */

/** By code, whether `shape` matches the character; nothing beyond a byte is in any class. */
export function byteClass(shape: RegExp): readonly boolean[] {
  return Array.from({ length: 256 }, (_, code) => shape.test(String.fromCharCode(code)))
}
