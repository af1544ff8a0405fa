/** Bars drawn with characters, so that they read the same with and without colours. */

/**
 * A bar of `width` cells for the stretch from `from` to `to` of `total`. What takes any time at all
 * shows at least one cell.
 */
export function barText(
  stretch: { readonly from: number; readonly to: number; readonly total: number },
  width: number,
): string {
  const { from, to, total } = stretch
  if (width <= 0 || !(total > 0)) return ''
  const cell = (value: number): number => Math.min(1, Math.max(0, value / total)) * width
  const start = Math.min(Math.floor(cell(from)), width - 1)
  const end = Math.max(start + 1, Math.round(cell(to)))
  return ' '.repeat(start) + '█'.repeat(end - start)
}

/** A gauge such as `███░░░░░`, for a share from 0 to 1. */
export function gaugeText(share: number, width: number): string {
  const whole = Math.max(0, Math.floor(width))
  const full = Math.round(Math.min(1, Math.max(0, share)) * whole)
  return '█'.repeat(full) + '░'.repeat(whole - full)
}
