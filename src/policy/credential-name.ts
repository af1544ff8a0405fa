/**
 * Whether what was given as a name looks like a key: names are shown and recorded, so that a value
 * that was typed in the place of one must be told before anything keeps it. Pure.
 */
import { findSecrets } from './content-secrets.ts'

/** Longer stretches of letters and digits, without anything between them, are no words. */
const randomLength = 24
const hexLength = 32

export function looksLikeCredential(name: string): boolean {
  const search = { mode: 'secrets', isForm: false, known: [] } as const
  if (findSecrets(name, search).length > 0) return true
  return name.split(/[^A-Za-z\d]+/u).some((stretch) => isRandom(stretch))
}

function isRandom(stretch: string): boolean {
  if (stretch.length >= hexLength && /^[a-f\d]+$/iu.test(stretch) && /\d/u.test(stretch))
    return true
  const kinds = [/[a-z]/u, /[A-Z]/u, /\d/u]
  return stretch.length >= randomLength && kinds.every((kind) => kind.test(stretch))
}
