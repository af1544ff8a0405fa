/**
 * Host patterns as rows that are not sealed hold them: read with care, for whoever can write the
 * file can have put anything there. What cannot be read is an error, never a list that is left out.
 */
import { z } from 'zod'

import { AppError } from '../base/errors.ts'
import type { HostPattern } from '../policy/host-pattern.ts'
import { parseHostPattern } from '../policy/host-pattern.ts'

const shape = z.array(z.string())

/** `what` names the row in the error. Throws `ERR_VAULT_TAMPERED`. */
export function hostsIn(text: string, what: string): HostPattern[] {
  try {
    return shape.parse(JSON.parse(text)).map(parseHostPattern)
  } catch (error) {
    throw new AppError('ERR_VAULT_TAMPERED', { what }, error)
  }
}
