/**
 * Finds the histories that a call may continue among those of all conversations, without looking at
 * each: a digest stands for all messages up to one, and those that a history must share with a
 * call for the two to be one are known beforehand (see `matchBranch`).
 */
import { comparedMessages } from '../wire/bounds.ts'
import type { Branch, NewCall } from './branches.ts'

type Places = Map<bigint, Set<Branch>>

export class BranchIndex {
  /** Histories that have grown: a call must share the first message that a later one had added. */
  readonly #grown: Places = new Map()
  /** Histories of one prompt so far: a call must have all of it, and more. */
  readonly #fresh: Places = new Map()

  /** To be called whenever `last` of a branch has been set. */
  add(branch: Branch): void {
    const place = this.#placeOf(branch)
    if (place === undefined) return
    const { places, digest } = place
    const branches = places.get(digest)
    if (branches === undefined) places.set(digest, new Set([branch]))
    else branches.add(branch)
  }

  /** To be called before `last` of a branch changes, and when it is forgotten. */
  remove(branch: Branch): void {
    const place = this.#placeOf(branch)
    if (place === undefined) return
    const { places, digest } = place
    const branches = places.get(digest)
    branches?.delete(branch)
    if (branches?.size === 0) places.delete(digest)
  }

  /** In no order, and with some that do not match: no other branch does. */
  candidates({ prompt: { chain }, isContinuation }: NewCall): Branch[] {
    const found: Branch[] = []
    if (isContinuation) return found
    // What follows the last message that is compared cannot be told from nothing.
    const lastFresh = chain.length < comparedMessages ? chain.length - 1 : chain.length
    for (const [index, digest] of chain.entries()) {
      const grown = this.#grown.get(digest)
      if (grown !== undefined) found.push(...grown)
      const fresh = index < lastFresh ? this.#fresh.get(digest) : undefined
      if (fresh !== undefined) found.push(...fresh)
    }
    return found
  }

  #placeOf({ last, firstCount }: Branch): { places: Places; digest: bigint } | undefined {
    const chain = last?.prompt.chain
    const grown = chain?.[firstCount]
    if (grown !== undefined) return { places: this.#grown, digest: grown }
    const digest = chain?.[chain.length - 1]
    return digest === undefined ? undefined : { places: this.#fresh, digest }
  }
}
