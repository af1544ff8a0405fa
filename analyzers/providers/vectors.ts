/** Embeddings in an answer: they are counted and measured, never shown. */
import type { Json, Part } from '../../src/messages/schema.ts'
import { isRecord, listOf } from '../wire/json.ts'

/** One part that says how many vectors there are and of which size; none for no vectors. */
export function vectorParts(vectors: readonly Json[]): Part[] {
  if (vectors.length === 0) return []
  const sizes = [...new Set(vectors.map(dimensionsOf))].join(', ')
  return [{ type: 'other', name: 'embeddings', text: `${vectors.length} × ${sizes} dimensions` }]
}

/** Vectors by their number type, as Cohere has them: those of the first type, all are the same. */
export function vectorsOfTypes(embeddings: Json | undefined): readonly Json[] {
  if (!isRecord(embeddings)) return listOf(embeddings)
  return (
    Object.values(embeddings)
      .map(listOf)
      .find((list) => list.length > 0) ?? []
  )
}

/** A vector is a list of numbers, or base64 of 4-byte floats. */
function dimensionsOf(vector: Json): number {
  if (typeof vector === 'string') return Math.floor(Buffer.byteLength(vector, 'base64') / 4)
  return listOf(vector).length
}
