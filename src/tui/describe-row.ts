/** What the list and the detail say of a row that is no model call. */
import { formatBytes, safeLine, safePreview } from './format.ts'
import type { Row } from './row.ts'

/** One line that says what a row is that is no model call: `GET host/path`, or where a tunnel went. */
export function describeRow(row: Row): string {
  const problem = row.problem === undefined ? '' : safePreview(row.problem)
  switch (row.kind) {
    case 'tunnel': {
      const bytes = row.requestBytes + row.responseBytes
      const moved =
        bytes === 0 ? '' : ` ▲ ${formatBytes(row.requestBytes)} ▼ ${formatBytes(row.responseBytes)}`
      return `${safeLine(row.host, 256)} ${problem}${moved}`
    }
    case 'refused':
    case 'tls':
      return `${safeLine(row.host, 256)} ${problem}`.trim()
    case 'api':
    case 'mcp': {
      const asked = `${safeLine(row.host, 256)} ${safePreview(row.prompt)}`
      const outcome = problem === '' ? safePreview(row.answer) : problem
      return outcome === '' ? asked : `${asked} → ${outcome}`
    }
    case 'http':
    case 'call': {
      const place = `${safeLine(row.host, 256)}${safeLine(row.path, 1024)}`
      const target = `${safeLine(row.method, 32)} ${place}`.trim()
      return [target, problem].filter((piece) => piece !== '').join(' – ')
    }
  }
}
