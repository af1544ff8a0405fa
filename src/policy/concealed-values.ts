/**
 * The values that were put into one exchange: the forms in which they may come back, to be masked,
 * and which of them did, to be told. What is told of a value is its secret's id and where it stood.
 */
import type { MsgOf } from '../messages/schema.ts'
import { namedForms } from './credential-value.ts'
import type { ValueForm } from './credential-value.ts'

/** Where a value came back; `isCoded` where a content coding had to be undone to see it. */
export interface EchoPlace {
  readonly where: MsgOf<'credential-echoed'>['where']
  /** Of the header field or the trailer. */
  readonly name?: string | undefined
  readonly isCoded?: boolean | undefined
}

export type Echo = Pick<MsgOf<'credential-echoed'>, 'kind' | 'secretId' | 'where' | 'name' | 'form'>

interface Origin {
  readonly secretId?: string
  readonly form: ValueForm
}

/** Places that are told of one exchange: an upstream may send a thousand fields. */
const mostEchoes = 64

export class ConcealedValues {
  readonly #origins = new Map<string, Origin>()
  /** Values whose forms are made when something is told: where nobody watches, they are not. */
  #added: Array<{ readonly value: string; readonly secretId: string | undefined }> = []
  readonly #told = new Set<string>()

  /** `value` as it stands in the request; `secretId` where it is known. */
  add(value: string, secretId: string | undefined): void {
    this.#added.push({ value, secretId })
  }

  #all(): ReadonlyMap<string, Origin> {
    for (const { value, secretId } of this.#added.splice(0)) this.#addForms(value, secretId)
    return this.#origins
  }

  #addForms(value: string, secretId: string | undefined): void {
    const origin = secretId === undefined ? {} : { secretId }
    const pair = /^basic +(\S+)$/iu.exec(value)?.[1]
    const texts = pair === undefined ? [value] : [value, pair]
    for (const text of texts) {
      for (const [written, form] of namedForms(text)) {
        // A pair is the base64 of the secret already.
        const isPair = pair !== undefined && form === 'raw'
        if (this.#origins.has(written)) continue
        this.#origins.set(written, { ...origin, form: isPair ? 'base64' : form })
      }
    }
  }

  /** Everything to be masked, in no order. */
  get forms(): Iterable<string> {
    return this.#all().keys()
  }

  get isEmpty(): boolean {
    return this.#origins.size === 0 && this.#added.length === 0
  }

  /** What to tell of `form` in that place: undefined where it is none of these, or was told. */
  note(form: string, { where, name, isCoded }: EchoPlace): Echo | undefined {
    const origin = this.#all().get(form)
    if (origin === undefined || this.#told.size >= mostEchoes) return undefined
    const key = JSON.stringify([origin.secretId, where, name?.toLowerCase()])
    if (this.#told.has(key)) return undefined
    this.#told.add(key)
    return {
      kind: 'credential-echoed',
      ...(origin.secretId === undefined ? {} : { secretId: origin.secretId }),
      where,
      ...(name === undefined ? {} : { name }),
      form: isCoded === true ? 'coded' : origin.form,
    }
  }

  /** The secret whose value the client has sent itself as `form`: once for each, where it is known. */
  noteSent(form: string): string | undefined {
    const secretId = this.#all().get(form)?.secretId
    const key = JSON.stringify([secretId, 'sent'])
    if (secretId === undefined || this.#told.has(key)) return undefined
    this.#told.add(key)
    return secretId
  }

  /** What to tell of all that stands in a text. */
  notesIn(text: string, place: EchoPlace): Echo[] {
    const notes: Echo[] = []
    for (const form of this.#all().keys()) {
      if (!text.includes(form)) continue
      const note = this.note(form, place)
      if (note !== undefined) notes.push(note)
    }
    return notes
  }
}
