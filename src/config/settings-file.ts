/** `porthole.json`: which keys it may have, and what a reader is told of one that is wrong. */
import { z } from 'zod'

import { AppError } from '../base/errors.ts'
import { nearestName } from '../base/nearest.ts'
import { visibleLine } from '../base/visible-text.ts'
import type { BoundKey } from './bounds.ts'
import { boundRows } from './bounds.ts'
import { optionTable } from './options.ts'
import { ruleShape } from './rule-fields.ts'

const credentialShape = z.strictObject({
  host: z.string(),
  header: z.string().regex(/^[!#$%&'*+.^_`|~\w-]+$/u, 'not a header name'),
  env: z.string().regex(/^[A-Za-z_]\w*$/u, 'not the name of an environment variable'),
  format: z
    .string()
    .includes('{}', { message: 'must contain {}' })
    .regex(/^[\t\x20-\x7e]*$/u, 'not what a header field can hold')
    .default('{}'),
})
const listShape = z.union([z.string(), z.array(z.string())])
const limitShape = z.union([z.number(), z.string()]).optional()
const limitsShape = z.strictObject(
  Object.fromEntries(boundRows.map(({ key }) => [key, limitShape])) as Record<
    BoundKey,
    typeof limitShape
  >,
)
const ruleKeys = Object.keys(ruleShape.shape)
const fileShape = z.strictObject({
  listen: z.string().optional(),
  allow: listShape.optional(),
  allowPreset: listShape.optional(),
  capture: z.string().optional(),
  keepCaptures: z.string().optional(),
  keepSize: z.string().optional(),
  viewer: z.boolean().optional(),
  connectTo: listShape.optional(),
  upstreamCa: listShape.optional(),
  route: listShape.optional(),
  auth: z.string().optional(),
  ownKeys: z.string().optional(),
  allowPrivate: z.boolean().optional(),
  tunnelOnReject: z.boolean().optional(),
  onCaFailure: z.string().optional(),
  redactContent: z.string().optional(),
  defaultAction: z.string().optional(),
  rules: z.array(ruleShape).max(1000).optional(),
  onTokenMismatch: z.string().optional(),
  onUnknownToken: z.string().optional(),
  codedBodies: z.string().optional(),
  starpodKeyEnv: z.string().optional(),
  prices: z.string().optional(),
  limits: limitsShape.optional(),
  upstreamProxy: z.string().optional(),
  upstreamProxyBypass: listShape.optional(),
  audit: z.string().optional(),
  credentials: z.array(credentialShape).optional(),
})

export type FileSettings = z.infer<typeof fileShape>

/** Throws `ERR_CONFIG_UNREADABLE`, which names the key and the nearest one that there is. */
export function parseFile({ path, text }: { path: string; text: string }): FileSettings {
  const fail = (problem: string): never => {
    // The parser quotes the file, line breaks and all.
    throw new AppError('ERR_CONFIG_UNREADABLE', { path, problem: visibleLine(problem) })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return fail(error instanceof Error ? error.message : 'not JSON')
  }
  const parsed = fileShape.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  if (issue?.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? ''
    const known = optionTable.filter((row) => row.inFile).map((row) => row.name)
    const here =
      issue.path[0] === 'limits'
        ? boundRows.map((row) => row.key)
        : [...known, 'limits', 'credentials', 'header', 'env', 'format', 'rules', ...ruleKeys]
    const nearest = nearestName(key, here)
    return fail(`unknown key ${key}${nearest === undefined ? '' : `; did you mean ${nearest}?`}`)
  }
  return fail(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not valid'}`)
}
