/**
 * Which slot an event belongs to.
 *
 * An item is identified by its id, else by its index and kind, else it is the latest of its kind. Some servers omit ids
 * or indexes, give one item a new id in every event, or send index 0 for every item. Events that cannot belong to the
 * same item get a new slot, so that nothing is lost.
 */
import { type Kind, Slot } from "./slot.ts"
import { asIndex, asNonBlank, isWithin, type Raw } from "./values.ts"

/** The location fields of an event; each may be missing, `null` or invalid. */
export interface Place {
  readonly output_index?: unknown
  readonly item_id?: unknown
  readonly content_index?: unknown
}

const kinds: ReadonlyArray<Kind> = ["message", "reasoning", "call", "item"]

const keyOf = (index: number, kind: Kind): number => index * 4 + kinds.indexOf(kind)

/** Copies the string, so that it does not keep the network chunk in memory. */
const copyOf = (text: string): string => JSON.parse(JSON.stringify(text))

export class Places {
  readonly #slots: Array<Slot> = []
  readonly #byPlace = new Map<number, Slot>()
  readonly #byId = new Map<string, Slot>()
  readonly #byCallId = new Map<string, Slot>()
  readonly #indexes = new Set<number>()
  readonly #latest = new Map<Kind, Slot>()
  #next = 0
  #last: Slot | undefined
  #lastIndex: unknown
  #lastId: unknown
  readonly #opened: () => void

  /** `opened` is called for each new slot, and for each new part of a slot. */
  constructor(opened: () => void) {
    this.#opened = opened
  }

  /** The slots in output order. */
  inOrder(): ReadonlyArray<Slot> {
    return [...this.#slots].sort((a, b) => a.order - b.order)
  }

  /** The slot of a delta; `undefined` if its item is finished. */
  ofDelta(place: Place, kind: Kind): Slot | undefined {
    const last = this.#last
    if (
      last !== undefined &&
      last.kind === kind &&
      last.item === undefined &&
      place.output_index === this.#lastIndex &&
      place.item_id === this.#lastId
    ) {
      return last
    }
    return this.#ofPart(place, kind, false)
  }

  /** The slot of an event that finishes a text; `undefined` if its item is finished. */
  ofClosing(place: Place, kind: Kind): Slot | undefined {
    return this.#ofPart(place, kind, true)
  }

  /** The slot of any kind with this id or at this index. */
  known(wireIndex: unknown, itemId: unknown): Slot | undefined {
    const index = asIndex(wireIndex)
    const id = asNonBlank(itemId)
    const known = id === undefined ? undefined : this.#byId.get(id)
    if (known !== undefined || index === undefined) return known
    for (const kind of kinds) {
      const slot = this.at(kind, index)
      if (slot !== undefined) return slot
    }
    return undefined
  }

  /** The slot of a hosted tool's progress event; `undefined` if the event has no id and no index. */
  ofHosted(place: Place): Slot | undefined {
    const known = this.known(place.output_index, place.item_id)
    if (known !== undefined) return known
    const index = asIndex(place.output_index)
    const id = asNonBlank(place.item_id)
    return index === undefined && id === undefined ? undefined : this.#identified(this.open("item", index), id)
  }

  /** The slot of an added item; `undefined` if it is finished. */
  ofBegun(place: Place, item: Raw, kind: Kind): Slot | undefined {
    const id = asNonBlank(item["id"])
    const index = asIndex(place.output_index)
    const known = this.#known(id, kind, index)
    if (known?.item !== undefined) return undefined
    const at = known ?? this.#at(kind, index)
    const callId = asNonBlank(item["call_id"])
    const isOther =
      at !== undefined &&
      at !== known &&
      (at.begun === undefined
        ? index === undefined && differ(id, at.itemId)
        : callId === undefined || callId !== at.callId)
    const slot = at === undefined || at.item !== undefined || isOther ? this.open(kind, index) : at
    return this.#goOn(this.#identified(slot, id), place.output_index, item["id"])
  }

  /** The slot of a finished item; it already has an item if this is a repetition. */
  ofDone(place: Place, item: Raw, kind: Kind): Slot {
    const id = asNonBlank(item["id"])
    const index = asIndex(place.output_index)
    const slot = this.#doneBefore(item, kind, id, index) ?? this.open(kind, index)
    return slot.item === undefined ? this.#goOn(this.#identified(slot, id), place.output_index, item["id"]) : slot
  }

  #doneBefore(item: Raw, kind: Kind, id: string | undefined, index: number | undefined): Slot | undefined {
    const known = this.#known(id, kind, index)
    if (known !== undefined) return known
    const sameId = id === undefined ? undefined : this.#byId.get(id)
    if (sameId?.kind === kind && isWithin(sameId.item, item)) return sameId
    const callId = asNonBlank(item["call_id"])
    const at = this.#at(kind, index)
    if (at === undefined) return undefined
    if (at.item === undefined) {
      if (index !== undefined) return at
      // without an index, a different id or call id means a different item
      const open = callId === undefined ? undefined : this.#byCallId.get(callId)
      if (open !== undefined && open.item === undefined && open.kind === kind) return open
      const isOther = differ(id, at.itemId) || differ(callId, at.callId)
      return isOther ? undefined : at
    }
    return !differ(id, at.itemId) && isWithin(at.item, item) ? at : undefined
  }

  /** The slot of an item in the terminal output, by its id or call id. */
  named(item: Raw, kind: Kind): Slot | undefined {
    const id = asNonBlank(item["id"])
    const slot = id === undefined ? undefined : this.#byId.get(id)
    if (slot?.kind === kind) return slot
    const callId = asNonBlank(item["call_id"])
    const call = callId === undefined ? undefined : this.#byCallId.get(callId)
    return call?.kind === kind ? call : undefined
  }

  /** The latest slot of a kind at an index. */
  at(kind: Kind, index: number): Slot | undefined {
    return this.#byPlace.get(keyOf(index, kind))
  }

  open(kind: Kind, wireIndex: number | undefined, order?: number): Slot {
    const wanted = wireIndex ?? this.#next
    const index = this.#indexes.has(wanted) ? this.#next : wanted
    const slot = new Slot(kind, index, order ?? index, wireIndex, this.#opened)
    this.#indexes.add(index)
    this.#next = Math.max(this.#next, index + 1)
    this.#slots.push(slot)
    this.#byPlace.set(keyOf(wanted, kind), slot)
    this.#latest.set(kind, slot)
    this.#opened()
    return slot
  }

  /** Registers the call id of a slot. */
  called(slot: Slot, callId: string): void {
    if (!this.#byCallId.has(callId)) this.#byCallId.set(callId, slot)
  }

  #ofPart(place: Place, kind: Kind, closing: boolean): Slot | undefined {
    const index = asIndex(place.output_index)
    const id = asNonBlank(place.item_id)
    let slot = this.#known(id, kind, index) ?? this.#at(kind, index)
    // without an index, a different id means a different item
    if (slot !== undefined && index === undefined && differ(id, slot.itemId)) slot = undefined
    if (slot?.item !== undefined) {
      if (id === slot.itemId && id !== undefined) return undefined
      if (closing && !differ(id, slot.itemId)) return undefined
      slot = undefined
    }
    slot ??= this.open(kind, index)
    // if a server gives one item a new id in every event, only the first one is stored
    if (id !== undefined && slot.itemId === undefined) this.#identified(slot, copyOf(id))
    return this.#goOn(slot, place.output_index, id === undefined ? place.item_id : slot.itemId)
  }

  /** The slot with this id, unless it is finished and the index differs. */
  #known(id: string | undefined, kind: Kind, index: number | undefined): Slot | undefined {
    const slot = id === undefined ? undefined : this.#byId.get(id)
    if (slot?.kind !== kind) return undefined
    const isSamePlace = index === undefined || slot.wireIndex === undefined || index === slot.wireIndex
    return slot.item === undefined || isSamePlace ? slot : undefined
  }

  #at(kind: Kind, index: number | undefined): Slot | undefined {
    return index === undefined ? this.#latest.get(kind) : this.at(kind, index)
  }

  #goOn(slot: Slot, wireIndex: unknown, id: unknown): Slot {
    this.#latest.set(slot.kind, slot)
    this.#last = slot
    this.#lastIndex = wireIndex
    this.#lastId = id
    return slot
  }

  #identified(slot: Slot, id: string | undefined): Slot {
    if (id === undefined) return slot
    slot.itemId ??= id
    if (!this.#byId.has(id)) this.#byId.set(id, slot)
    return slot
  }
}

const differ = (a: string | undefined, b: string | undefined): boolean => a !== undefined && b !== undefined && a !== b
