/**
 * Requests of other interfaces than OpenAI's that are told as operations, as data: polled
 * predictions of Replicate, models of Ollama, batches and stored objects of the Gemini API and Vertex AI, its music
 * sockets, endpoints of SageMaker and what Bedrock does in the background. Paths are those of the
 * vendors' own SDKs; what such an endpoint runs is its own, so that nothing is read as a prompt.
 */
import type { CallTarget } from './model-wire.ts'
import type { Operation } from './openai-operations.ts'

interface Row {
  readonly host: RegExp
  /** Its groups are the subjects; matched against the path without its query. */
  readonly path: RegExp
  /** By method. */
  readonly names: Readonly<Record<string, string>>
}

const replicate = /(?:^|\.)replicate\.com$/u
const google = /(?:^|\.|-)(?:generativelanguage|aiplatform)\.(?:\w+\.rep\.)?googleapis\.com$/u
const sagemaker = /^runtime\.sagemaker(?:-fips)?\.[\w-]+\.(?:amazonaws\.com(?:\.cn)?|api\.aws)$/u
const bedrock = /^bedrock-runtime(?:-fips)?\.[\w-]+\.(?:amazonaws\.com(?:\.cn)?|api\.aws)$/u

const ollama = /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?|(?:.*\.)?ollama\.com)$/u

function rows(
  host: RegExp,
  list: ReadonlyArray<readonly [path: RegExp, names: Readonly<Record<string, string>>]>,
): Row[] {
  return list.map(([path, names]) => ({ host, path, names }))
}

/** The usual verbs on a collection, and on one of it. */
function all(name: string): Readonly<Record<string, string>> {
  return { GET: `${name}.list`, POST: `${name}.create` }
}
function one(name: string): Readonly<Record<string, string>> {
  const update = `${name}.update`
  return { GET: `${name}.retrieve`, PATCH: update, PUT: update, DELETE: `${name}.delete` }
}

/** The first row that fits decides. */
const table: readonly Row[] = [
  ...rows(replicate, [
    [/\/v1\/predictions$/u, { GET: 'predictions.list' }],
    [/\/v1\/predictions\/([^/]+)$/u, one('predictions')],
    [/\/v1\/predictions\/([^/]+)\/cancel$/u, { POST: 'predictions.cancel' }],
    [/\/v1\/models\/([^/]+\/[^/]+)$/u, one('models')],
    [/\/v1\/models\/([^/]+\/[^/]+)\/versions$/u, { GET: 'models.versions.list' }],
    [/\/v1\/models\/([^/]+\/[^/]+)\/versions\/([^/]+)$/u, one('models.versions')],
    [/\/v1\/trainings\/([^/]+)$/u, one('trainings')],
    [/\/v1\/trainings\/([^/]+)\/cancel$/u, { POST: 'trainings.cancel' }],
  ]),
  ...rows(google, [
    [/\/models\/([^/]+)(?::|%3A)batchGenerateContent$/u, { POST: 'batches.create' }],
    [/\/v1(?:(?:alpha|beta)1?)?\/batches$/u, all('batches')],
    [/\/v1(?:(?:alpha|beta)1?)?\/batches\/([^/:]+)$/u, one('batches')],
    [/\/v1(?:(?:alpha|beta)1?)?\/batches\/([^/:]+)(?::|%3A)cancel$/u, { POST: 'batches.cancel' }],
    [/\/batchPredictionJobs$/u, all('batches')],
    [/\/batchPredictionJobs\/([^/:]+)$/u, one('batches')],
    [/\/batchPredictionJobs\/([^/:]+)(?::|%3A)cancel$/u, { POST: 'batches.cancel' }],
    [/\/v1(?:(?:alpha|beta)1?)?\/files$/u, all('files')],
    [/\/v1(?:(?:alpha|beta)1?)?\/files\/([^/:]+)$/u, one('files')],
    [/\/v1(?:(?:alpha|beta)1?)?\/files\/([^/:]+)(?::|%3A)download$/u, { GET: 'files.content' }],
    [/\/cachedContents$/u, all('caches')],
    [/\/cachedContents\/([^/:]+)$/u, one('caches')],
    [/\/v1(?:(?:alpha|beta)1?)?\/models$/u, { GET: 'models.list' }],
    [/\/v1(?:(?:alpha|beta)1?)?\/models\/([^/:]+)$/u, { GET: 'models.retrieve' }],
    [/\/models\/([^/]+)(?::|%3A)predictLongRunning$/u, { POST: 'videos.create' }],
    [/\/models\/([^/]+)(?::|%3A)fetchPredictOperation$/u, { POST: 'operations.retrieve' }],
    [/\/operations\/([^/:]+)$/u, { GET: 'operations.retrieve' }],
    [/\/interactions\/([^/:]+)$/u, one('interactions')],
    [/\/interactions\/([^/:]+)(?:\/|:|%3A)cancel$/u, { POST: 'interactions.cancel' }],
    // A WebSocket: its frames are told as they are.
    [/\/ws\/google\.[\w.]+[./]BidiGenerateMusic$/u, { GET: 'live.music.connect' }],
  ]),
  ...rows(ollama, [
    [/^\/api\/show$/u, { POST: 'models.retrieve' }],
    [/^\/api\/tags$/u, { GET: 'models.list' }],
    [/^\/api\/ps$/u, { GET: 'models.running' }],
    [/^\/api\/pull$/u, { POST: 'models.pull' }],
    [/^\/api\/create$/u, { POST: 'models.create' }],
    [/^\/api\/copy$/u, { POST: 'models.copy' }],
    [/^\/api\/delete$/u, { DELETE: 'models.delete' }],
  ]),
  ...rows(sagemaker, [
    [/^\/endpoints\/([^/]+)\/invocations$/u, { POST: 'endpoints.invoke' }],
    [
      /^\/endpoints\/([^/]+)\/invocations-response-stream$/u,
      { POST: 'endpoints.invoke_with_response_stream' },
    ],
    [/^\/endpoints\/([^/]+)\/async-invocations$/u, { POST: 'endpoints.invoke_async' }],
  ]),
  ...rows(bedrock, [
    [/^\/async-invoke$/u, all('async_invokes')],
    [/^\/guardrail\/([^/]+)\/version\/([^/]+)\/apply$/u, { POST: 'guardrails.apply' }],
    [/^\/async-invoke\/([^/]+)$/u, one('async_invokes')],
  ]),
]

/** Undefined for a path that none of the vendors has. */
export function recognizeVendorOperation(
  method: string,
  { host, path }: CallTarget,
): Operation | undefined {
  for (const row of table) {
    if (!row.host.test(host)) continue
    const match = row.path.exec(path)
    if (match === null) continue
    const name = Object.hasOwn(row.names, method) ? row.names[method] : undefined
    if (name === undefined) continue
    const subjects = match.slice(1).map((subject) => readable(subject).slice(0, maxSubject))
    return { name, subjects }
  }
  return undefined
}

const maxSubject = 200

/** Ids such as those of AWS come percent-encoded. */
function readable(subject: string): string {
  try {
    return decodeURIComponent(subject)
  } catch {
    return subject
  }
}
