/** How far the keys that move go on a screen of a given height. */

/** Lines or rows, negative for up; undefined for what is no relative movement. */
export function stepOf(action: string, height: number): number | undefined {
  const page = Math.max(1, height - 1)
  const half = Math.max(1, Math.floor(height / 2))
  switch (action) {
    case 'down':
      return 1
    case 'up':
      return -1
    case 'page-down':
      return page
    case 'page-up':
      return -page
    case 'half-down':
      return half
    case 'half-up':
      return -half
    default:
      return undefined
  }
}
