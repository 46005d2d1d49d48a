/**
 * The finished turns of this process, so that a prompt that has lost their items gets them back.
 *
 * A turn is found by its place: the digest of everything up to its end, and the very message object it answered.
 * Conversations that say the same words have the same digest. They are told apart by the object, which a `Chat` keeps;
 * where the object is another one (after JSON) and more than one conversation has said these words, nothing is recalled:
 * a reader must never get the reasoning of somebody else's conversation.
 */
import type { RoutingToken } from "@effect-codex/schema"
import type { KeptTurn } from "../CodexMetadata.ts"

export interface Remembered extends KeptTurn {
  readonly routingToken?: RoutingToken.RoutingToken | undefined
}

export interface Place {
  readonly digest: string
  /** The message the turn answered. */
  readonly asked: object | undefined
}

/** How much is remembered; beyond it the turns that were not used for longest are forgotten. */
export interface Limits {
  readonly maxTurns: number
  /** Of all items together, in characters of JSON. */
  readonly maxSize: number
}

export interface TurnMemory {
  readonly remember: (place: Place, turn: Remembered) => void
  /** With `same`, only for the very message object the turn answered. */
  readonly recall: (place: Place, options?: { readonly same: boolean }) => Remembered | undefined
  readonly size: () => { readonly turns: number; readonly size: number }
}

interface Entry {
  readonly digest: string
  readonly asked: object
  readonly turn: Remembered
  readonly size: number
}

/** Turns at one place. `shared` stays set: what is forgotten later has still been said by more than one. */
interface Shelf {
  readonly entries: Set<Entry>
  shared: boolean
}

export const make = ({ maxSize, maxTurns }: Limits): TurnMemory => {
  /** In the order of their last use. */
  const entries = new Set<Entry>()
  const shelves = new Map<string, Shelf>()
  /** Marks for message objects: an entry holds the mark, not the message. */
  const marks = new WeakMap<object, object>()
  let size = 0

  const markOf = (asked: object | undefined): object => {
    if (asked === undefined) return {}
    const known = marks.get(asked)
    if (known !== undefined) return known
    const mark = {}
    marks.set(asked, mark)
    return mark
  }

  const forget = (entry: Entry) => {
    entries.delete(entry)
    size -= entry.size
    const shelf = shelves.get(entry.digest)
    shelf?.entries.delete(entry)
    if (shelf?.entries.size === 0) shelves.delete(entry.digest)
  }

  const use = (entry: Entry): Remembered => {
    entries.delete(entry)
    entries.add(entry)
    return entry.turn
  }

  return {
    remember: ({ asked, digest }, turn) => {
      const entry: Entry = { digest, asked: markOf(asked), turn, size: JSON.stringify(turn).length }
      if (entry.size > maxSize || maxTurns < 1) return
      const shelf = shelves.get(digest) ?? { entries: new Set(), shared: false }
      shelves.set(digest, shelf)
      shelf.shared ||= shelf.entries.size > 0
      shelf.entries.add(entry)
      entries.add(entry)
      size += entry.size
      for (const oldest of entries) {
        if (entries.size <= maxTurns && size <= maxSize) break
        forget(oldest)
      }
    },
    recall: ({ asked, digest }, options) => {
      const shelf = shelves.get(digest)
      if (shelf === undefined) return undefined
      const mark = asked === undefined ? undefined : marks.get(asked)
      if (mark !== undefined) {
        const [own, another] = [...shelf.entries].filter((entry) => entry.asked === mark)
        return own === undefined || another !== undefined ? undefined : use(own)
      }
      const [only] = shelf.entries
      if (options?.same === true || shelf.shared || only === undefined) return undefined
      // from now on the object of this prompt tells the conversation apart, too
      if (asked !== undefined) marks.set(asked, only.asked)
      return use(only)
    },
    size: () => ({ turns: entries.size, size })
  }
}
