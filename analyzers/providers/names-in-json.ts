/**
 * The models and tools that a request's JSON names, wherever some provider's format may put them:
 * every occurrence, in any spelling of the keys. What is said (messages, schemas, metadata) is left
 * out: a model that is only spoken of is not called.
 */
import { foldCase } from '../../src/policy/rules/glob.ts'
import { scanJson } from '../wire/json-scan.ts'

export interface JsonNames {
  readonly models: readonly string[]
  readonly tools: readonly string[]
  /** False where readers may differ in what the bytes say. */
  readonly isCertain: boolean
}

/** Keys without case, `_` and `-`: JSON readers of several languages take them alike. */
const contentKeys = new Set([
  'content',
  'contents',
  'documents',
  'history',
  'input',
  'inputschema',
  'instructions',
  'jsonschema',
  'messages',
  'metadata',
  'parameters',
  'parametersjsonschema',
  'prompt',
  'responseformat',
  'responseschema',
  'system',
  'systeminstruction',
  'text',
  'toolresults',
])
const modelKeys = new Set([
  'deployment',
  'deploymentid',
  'engine',
  'fallbackmodels',
  'fallbacks',
  'model',
  'modelid',
  'modelname',
  'models',
])
/** Where a model is an object. */
const modelFields = new Set(['id', 'name'])
const toolKeys = new Set(['functiondeclarations', 'functions', 'mcpservers', 'tools'])
const toolFields = new Set(['name', 'serverlabel', 'type'])
/** What wraps a tool's definition, and so is no name; and types that are not either. */
const wrappers = new Set(['custom', 'function', 'functiondeclarations', 'toolspec'])

/** Yields now and then; see `scanJson`. */
export function* namesInJson(bytes: Buffer): Generator<undefined, JsonNames> {
  const models: string[] = []
  const tools: string[] = []
  const isCertain = yield* scanJson(bytes, {
    foldKey: (key) => foldCase(key).replaceAll(/[-_]/gu, ''),
    skips: (path) => contentKeys.has(path.at(-1) ?? ''),
    wants: (path) => isModel(path) || isTool(path),
    text: (path, value) => {
      if (isModel(path)) models.push(value)
      else if (!(path.at(-1) === 'type' && wrappers.has(value))) tools.push(value)
    },
    // Built-in tools of Gemini are keys of their own: `{"googleSearch": {}}`.
    object: (path) => {
      const [parent = '', key = ''] = path.slice(-2)
      if (parent === 'tools' && path.length > 1 && !wrappers.has(key)) tools.push(key)
    },
  })
  return { models, tools, isCertain }
}

function isModel(path: readonly string[]): boolean {
  const key = path.at(-1) ?? ''
  if (modelKeys.has(key)) return true
  return modelFields.has(key) && path.length > 1 && modelKeys.has(path.at(-2) ?? '')
}

function isTool(path: readonly string[]): boolean {
  return toolFields.has(path.at(-1) ?? '') && path.some((key) => toolKeys.has(key))
}
