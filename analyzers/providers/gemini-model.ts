/** Which model a Google request goes to: it stands in the path, and sometimes in the body too. */
import type { JsonRecord } from '../wire/json.ts'
import { textOf } from '../wire/json.ts'
import type { CallTarget } from './model-wire.ts'

/** `…/models/{model}:{method}`, as of the Gemini API, and of publishers and endpoints on Vertex AI. */
const modelPath = /\/(?:models|tunedModels|endpoints)\/([^/:]+)(?::|%3A)[a-zA-Z]+$/u

/** The model that a path names before its method. */
export function modelBeforeMethod({ path }: CallTarget): string | undefined {
  const name = modelPath.exec(path)?.[1]
  if (name === undefined) return undefined
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

/** The model of a call: Code Assist names it in the body, without a collection or with one. */
export function geminiModelOf(body: JsonRecord, target: CallTarget): string | undefined {
  return modelBeforeMethod(target) ?? textOf(body['model'])?.replace(/^(?:.*\/)?models\//u, '')
}
