/** The files that a session is told to use: prices, and further roots for upstreams. */
import { readFile } from 'node:fs/promises'

import type { PriceList } from '../../analyzers/index.ts'
import { parsePriceList } from '../../analyzers/index.ts'
import { splitCertificates } from '../../ca/bundle.ts'
import { AppError, describeError } from '../base/errors.ts'

/** Throws `ERR_PRICES_INVALID`. */
export async function readPrices(path: string | undefined): Promise<PriceList | undefined> {
  if (path === undefined) return undefined
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new AppError('ERR_PRICES_INVALID', { path, problem: describeError(error) }, error)
  }
  return parsePriceList(text, path)
}

/** Certificates as PEM. Throws `ERR_UPSTREAM_CA`. */
export async function readRoots(paths: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const path of paths) {
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (error) {
      throw new AppError('ERR_UPSTREAM_CA', { path, problem: describeError(error) }, error)
    }
    const certificates = splitCertificates(text)
    if (certificates.length === 0) {
      throw new AppError('ERR_UPSTREAM_CA', { path, problem: 'there is no certificate in it' })
    }
    found.push(...certificates)
  }
  return found
}
