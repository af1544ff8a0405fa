/**
 * Every error that a user can meet: one table of stable codes (`error-table.ts`), one class. Only `main.ts` turns an error into
 * text and an exit code (`exitCode`: 1 failed, 2 usage, 69 cannot listen or start, 70 internal, and
 * as in a shell 126 and 127 where `run` cannot start the command).
 */

import { table } from './error-table.ts'
import type { ErrorRow } from './storage-errors.ts'

export type ErrorCode = keyof typeof table
export type ErrorDetails = Readonly<Record<string, string | number>>

export const errorTable: Readonly<Record<ErrorCode, ErrorRow>> = table

/** An expected failure. `message` is one line, `hint` is the next step; neither holds a secret. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly details: ErrorDetails
  readonly hint: string
  readonly exitCode: number

  constructor(code: ErrorCode, details: ErrorDetails = {}, cause?: unknown) {
    const row = errorTable[code]
    super(fill(row.message, details), cause === undefined ? undefined : { cause })
    this.code = code
    this.details = details
    this.hint = fill(row.hint, details)
    this.exitCode = row.exitCode
  }
}

/** The one-line reason of anything thrown, without its stack. */
export function describeError(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0)
    return describeError(error.errors[0])
  if (error instanceof Error) return error.message || error.name
  return String(error)
}

/** Anything thrown, as an `Error`. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

/** The `code` of a Node system or TLS error, or undefined. */
export function errorCodeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError && error.errors.length > 0)
    return errorCodeOf(error.errors[0])
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Ends a switch over a union: a new member is a compile error here. */
export function assertNever(value: never): never {
  throw new AppError('ERR_INTERNAL', { problem: `unexpected value ${JSON.stringify(value)}` })
}

function fill(template: string, details: ErrorDetails): string {
  return template.replaceAll(/\{(\w+)\}/gu, (whole, name: string) => String(details[name] ?? whole))
}
