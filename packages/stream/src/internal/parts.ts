/** The texts of one output item while it streams: the content parts of a message, or the parts of reasoning. */
import { type Item, Turn } from "@effect-codex/schema"
import { Text } from "./text.ts"
import { asNonBlank, asObject, filledFrom, isBlank, isEmpty, type Raw } from "./values.ts"

export type Kind = Turn.ItemText["kind"]

export interface Part {
  readonly kind: Kind
  readonly index: number
  readonly text: Text
  annotations: Array<unknown> | undefined
  /** Its other fields, for an item that lacks them. */
  fields: Raw | undefined
}

/** Receives text of a finished item that the deltas lacked. */
export type Added = (kind: Kind, index: number, delta: string) => void

export interface Settled {
  /** The item with all streamed text; the same object if it lacks nothing. */
  readonly item: Item.Item
  /** Whether no text of the item contradicts its deltas. */
  readonly agrees: boolean
}

const codes: Readonly<Record<Kind, number>> = { text: 0, refusal: 1, summary: 2, content: 3 }

const keyOf = (kind: Kind, index: number): number => index * 4 + codes[kind]

export class Parts {
  #parts: Map<number, Part> | undefined
  #last: Part | undefined
  readonly #opened: () => void

  /** `opened` is called for each new part. */
  constructor(opened: () => void) {
    this.#opened = opened
  }

  get isEmpty(): boolean {
    return this.#parts === undefined
  }

  get hasText(): boolean {
    for (const { text } of this.#parts?.values() ?? []) if (text.length > 0) return true
    return false
  }

  part(kind: Kind, index: number): Part {
    const last = this.#last
    if (last !== undefined && last.index === index && last.kind === kind) return last
    this.#parts ??= new Map()
    const key = keyOf(kind, index)
    let part = this.#parts.get(key)
    if (part === undefined) {
      part = { kind, index, text: new Text(), annotations: undefined, fields: undefined }
      this.#parts.set(key, part)
      this.#opened()
    }
    this.#last = part
    return part
  }

  inOrder(): ReadonlyArray<Part> {
    return this.#parts === undefined ? [] : [...this.#parts.values()].sort((a, b) => a.index - b.index)
  }

  /** Adds the texts of an earlier item. */
  load(texts: ReadonlyArray<Turn.ItemText>, isWanted: (text: Turn.ItemText) => boolean = () => true): void {
    for (const one of texts) {
      const { annotations, index, kind, text } = one
      if (text === "" || !isWanted(one)) continue
      const part = this.part(kind, index)
      part.text.settle(text)
      if (annotations.length > 0) part.annotations ??= annotations.slice()
    }
  }

  /** The parts that the item lacks. */
  #without(shown: ReadonlyArray<unknown>): Set<Part> {
    if (this.#parts === undefined) return none
    let found = 0
    for (const part of shown) if (part !== undefined) found++
    if (found === this.#parts.size) return none
    const open = new Set(this.#parts.values())
    for (const part of shown) open.delete(part as Part)
    return open
  }

  /**
   * Compares with the finished item: passes text that the deltas lacked to `added`, and returns the item with streamed
   * text that it lacks.
   */
  settle(item: Item.Item, added: Added): Settled {
    const finals = Turn.textsOf(item)
    const shown: Array<Part | "elsewhere" | undefined> = finals.map(({ index, kind }) =>
      this.#parts?.get(keyOf(kind, index))
    )
    const open = this.#without(shown)
    if (open.size > 0) findElsewhere(finals, shown, open)
    const fills: Array<Fill> = []
    let agrees = true
    finals.forEach((final, n) => {
      const part = shown[n]
      if (part === "elsewhere") return
      if (part === undefined) {
        if (final.text !== "") added(final.kind, final.index, final.text)
        return
      }
      const settled = part.text.settle(final.text)
      if (!settled.agrees) agrees = false
      if (settled.added !== "") added(part.kind, part.index, settled.added)
      const text = part.text.value
      const annotations = final.annotations.length === 0 ? part.annotations : undefined
      if (annotations === undefined && final.annotations.length < (part.annotations?.length ?? 0)) agrees = false
      if (text !== final.text || annotations !== undefined || part.fields !== undefined) {
        fills.push({ kind: final.kind, index: final.index, text, annotations, fields: part.fields })
      }
    })
    for (const { annotations, fields, kind, text } of [...open].sort((a, b) => a.index - b.index)) {
      if (text.length > 0) fills.push({ kind, index: undefined, text: text.value, annotations, fields })
    }
    return { item: fills.length === 0 ? item : fill(item, fills), agrees }
  }
}

const none: Set<Part> = new Set()

/** Groups kinds for comparison: what one server sends as raw reasoning, another sends as summary. */
const groupOf = (kind: Kind): string => (kind === "content" ? "summary" : kind)

const squash = (text: string): string => text.replace(/\s+/g, "")

/**
 * Finds streamed text that the item has elsewhere: at another index, as a summary instead of raw reasoning, or split
 * into other parts.
 */
const findElsewhere = (
  finals: ReadonlyArray<Turn.ItemText>,
  shown: Array<Part | "elsewhere" | undefined>,
  open: Set<Part>
): void => {
  const isNew = ({ text }: Turn.ItemText, n: number) => shown[n] === undefined && !isBlank(text)
  if (!finals.some(isNew)) return
  const byWords = new Map<string, Array<Part>>()
  for (const part of [...open].sort((a, b) => b.index - a.index)) {
    const key = groupOf(part.kind) + part.text.value.trim()
    const parts = byWords.get(key)
    if (parts === undefined) byWords.set(key, [part])
    else parts.push(part)
  }
  finals.forEach((final, n) => {
    if (!isNew(final, n)) return
    const part = byWords.get(groupOf(final.kind) + final.text.trim())?.pop()
    if (part === undefined) return
    shown[n] = part
    open.delete(part)
  })
  for (const group of ["text", "refusal", "summary"]) {
    const isRest = (final: Turn.ItemText, n: number) => isNew(final, n) && groupOf(final.kind) === group
    const rest = finals.filter(isRest)
    const parts = [...open].filter(({ kind }) => groupOf(kind) === group)
    if (rest.length + parts.length < 3 || parts.length === 0 || rest.length === 0) continue
    const words = parts.sort((a, b) => a.index - b.index).map(({ text }) => text.value)
    if (squash(words.join("")) !== squash(rest.map(({ text }) => text).join(""))) continue
    finals.forEach((final, n) => {
      if (isRest(final, n)) shown[n] = "elsewhere"
    })
    for (const part of parts) open.delete(part)
  }
}

/** A text to add to an item: to its part at `index`, or as a new part. */
interface Fill {
  readonly kind: Kind
  readonly index: number | undefined
  readonly text: string
  readonly annotations: ReadonlyArray<unknown> | undefined
  readonly fields: Raw | undefined
}

const fill = (item: Item.Item, fills: ReadonlyArray<Fill>): Item.Item => {
  const changed: Record<string, Array<unknown>> = {}
  for (const one of fills) {
    const key = one.kind === "summary" ? "summary" : "content"
    changed[key] ??= listOf((item as Raw)[key], one.kind)
    const list = changed[key]
    if (one.index === undefined) list.push(partOf(undefined, one))
    else list[one.index] = partOf(list[one.index], one)
  }
  return { ...(item as Raw), ...changed } as unknown as Item.Item
}

const listOf = (value: unknown, kind: Kind): Array<unknown> =>
  Array.isArray(value)
    ? value.slice()
    : asNonBlank(value) === undefined
      ? []
      : [
          partOf(undefined, {
            kind: kind === "refusal" ? "text" : kind,
            index: 0,
            text: value as string,
            annotations: undefined,
            fields: undefined
          })
        ]

const types: Readonly<Record<Kind, string>> = {
  text: "output_text",
  refusal: "refusal",
  summary: "summary_text",
  content: "reasoning_text"
}

const partOf = (value: unknown, { annotations, fields, kind, text }: Fill): unknown =>
  filledFrom(
    {
      type: types[kind],
      ...(kind === "text" && { annotations: [] }),
      ...asObject(value),
      [kind === "refusal" ? "refusal" : "text"]: text,
      ...(annotations !== undefined && { annotations })
    },
    fields
  )

const described: ReadonlySet<string> = new Set(["type", "text", "refusal", "annotations"])

/** The fields of a part that hold something, besides its text and annotations. */
export const fieldsOf = (part: Raw | undefined): Raw | undefined => {
  const entries = Object.entries(part ?? {}).filter(([key, value]) => !(described.has(key) || isEmpty(value)))
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}
