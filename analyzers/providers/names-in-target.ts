/**
 * The models that a request target names: in its path (Gemini, Vertex, Bedrock, Azure, Replicate)
 * or in its query (Realtime). Paths are looked at in every form in which a server may read them.
 */
import { hasDotDot } from '../../src/policy/request-path.ts'
import { foldCase } from '../../src/policy/rules/glob.ts'
import { bedrockModel } from './bedrock-model.ts'
import { modelInPath, targetOf } from './recognize.ts'

export interface TargetNames {
  /** As this project understands the path. */
  readonly models: readonly string[]
  /** Whatever else in it could be taken for a model's name. */
  readonly possible: readonly string[]
  /** False where servers may differ in what the path says. */
  readonly isCertain: boolean
}

/** Segments that a name follows. */
const marker = /\/(?:models?|deployments|engines|tunedmodels|endpoints)\//giu
/** Of a name with slashes in it, such as an ARN. */
const maxSegments = 8
const queryKeys = new Set(['model', 'modelid', 'deployment', 'deploymentid', 'engine'])

/** `target` in origin form, with its query. */
export function namesInTarget(host: string, target: string): TargetNames {
  const called = targetOf(host, target)
  const forms = formsOf(called.path)
  const possible = [...new Set(forms.paths.flatMap(namesBehindMarkers))]
  const inPath = modelInPath(called) ?? bedrockModel(called)
  const { models, isCertain } = modelsInQuery(called.query)
  return {
    models: inPath === undefined ? models : [inPath, ...models],
    possible,
    isCertain: isCertain && (possible.length === 0 || forms.areCertain),
  }
}

/** The path as it stands, and decoded once and twice; more than that nobody does. */
function formsOf(path: string): {
  readonly paths: readonly string[]
  readonly areCertain: boolean
} {
  const paths = [path]
  let areCertain = true
  for (let form = path; paths.length < 4;) {
    const next = decoded(form)
    if (next === undefined) areCertain = false
    if (next === undefined || next === form) break
    paths.push(next)
    form = next
  }
  const isOdd = (form: string): boolean => hasDotDot(form) || /\/\.?\/|[\\;\0-\u001f]/u.test(form)
  return { paths, areCertain: areCertain && paths.length < 4 && !paths.some(isOdd) }
}

function namesBehindMarkers(path: string): string[] {
  const names: string[] = []
  for (const match of path.matchAll(marker)) {
    const segments = path.slice(match.index + match[0].length).split('/', maxSegments)
    for (const count of segments.keys()) {
      const name = segments.slice(0, count + 1).join('/')
      names.push(name, name.replace(/:[^:/]*$/u, ''))
    }
    // Of an ARN, what counts is behind its last slash.
    names.push(...segments)
  }
  return names
}

function modelsInQuery(query: string): { models: string[]; isCertain: boolean } {
  const models: string[] = []
  let isCertain = true
  for (const part of query.split(/[&;]/u)) {
    const at = part.indexOf('=')
    const [key, value] = [part.slice(0, Math.max(at, 0)), part.slice(at + 1)].map((text) =>
      decoded(text.replaceAll('+', ' ')),
    )
    if (key === undefined || value === undefined) isCertain = false
    else if (queryKeys.has(foldCase(key).replaceAll(/[-_]/gu, ''))) models.push(value)
  }
  return { models, isCertain }
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
