/**
 * Remembers the finished turns of this process, to restore items that a prompt has lost.
 *
 * A turn is looked up by the digest of the conversation up to its end, and by the message object it answered.
 * Conversations with the same content have the same digest; the object, which a `Chat` keeps, distinguishes them. If
 * the object differs (after JSON) and several conversations had this content, nothing is recalled: a user must never
 * get the reasoning of another conversation.
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

/** The limits of the memory; the least recently used turns are evicted. */
export interface Limits {
  readonly maxTurns: number
  /** The total size of all items, in characters of JSON. */
  readonly maxSize: number
}

export interface TurnMemory {
  readonly remember: (place: Place, turn: Remembered) => void
  /** With `same`, only if the turn answered the same message object. */
  readonly recall: (place: Place, options?: { readonly same: boolean }) => Remembered | undefined
  readonly size: () => { readonly turns: number; readonly size: number }
}

interface Entry {
  readonly digest: string
  readonly asked: object
  readonly turn: Remembered
  readonly size: number
}

/**
 * The turns with one digest. `shared` stays true even after eviction, because several conversations had this content.
 */
interface Shelf {
  readonly entries: Set<Entry>
  shared: boolean
}

export const make = ({ maxSize, maxTurns }: Limits): TurnMemory => {
  /** In order of last use. */
  const entries = new Set<Entry>()
  const shelves = new Map<string, Shelf>()
  /** A marker for each message object, so that entries do not keep messages in memory. */
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
      // from now on, this prompt's object identifies the conversation as well
      if (asked !== undefined) marks.set(asked, only.asked)
      return use(only)
    },
    size: () => ({ turns: entries.size, size })
  }
}
