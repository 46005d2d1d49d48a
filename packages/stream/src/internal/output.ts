/** The output of one turn while it streams. */
import { type Item, Turn, type TurnEvent } from "@effect-codex/schema"
import * as Compare from "./compare.ts"
import { type Added, fieldsOf, type Kind as PartKind, Parts } from "./parts.ts"
import { type Place, Places } from "./places.ts"
import * as Slots from "./slot.ts"
import { kindOf, type Slot } from "./slot.ts"
import {
  asIndex,
  asNonBlank,
  asObject,
  asText,
  filledFrom,
  isBlank,
  isDeep,
  isEmpty,
  isWithin,
  jsonOf,
  type Raw
} from "./values.ts"

type Out = Array<TurnEvent.TurnEvent>

/** More items, parts and annotations than a request may contain (protocol N.9). */
export const maxSize = 131_072

/** Why decoding of the output stopped: it has more items, or is nested deeper, than any real response. */
export type Problem = "turnTooLarge" | "tooDeep"

const partIndex = (value: unknown): number => asIndex(value) ?? 0

export class Output {
  problem: Problem | undefined
  #size = 0
  readonly #places: Places
  readonly #note: (difference: string) => void
  /** The finished calls by call id. */
  readonly #calls = new Map<string, Slot>()

  /** `note` receives each inconsistency between earlier and later events. */
  constructor(note: (difference: string) => void) {
    this.#note = note
    this.#places = new Places(() => this.#grow())
  }

  /** The number of items and parts. */
  get size(): number {
    return this.#size
  }

  text(place: Place, kind: "text" | "refusal", delta: unknown, out: Out): void {
    if (typeof delta !== "string" || delta === "") return
    const slot = this.#places.ofDelta(place, "message")
    if (slot === undefined) return this.#late()
    const index = partIndex(place.content_index)
    slot.parts.part(kind, index).text.append(delta)
    out.push(textDelta(slot, kind, index, delta))
  }

  reasoning(place: Place, kind: "summary" | "content", index: unknown, delta: unknown, out: Out): void {
    if (typeof delta !== "string" || delta === "") return
    const slot = this.#places.ofDelta(place, "reasoning")
    if (slot === undefined) return this.#late()
    const part = partIndex(index)
    slot.parts.part(kind, part).text.append(delta)
    out.push(textDelta(slot, kind, part, delta))
  }

  callDelta(
    place: Place & { readonly call_id?: unknown },
    type: "function" | "custom",
    delta: unknown,
    out: Out
  ): void {
    if (typeof delta !== "string" || delta === "") return
    const slot = this.#places.ofDelta(place, "call")
    if (slot === undefined) return this.#late()
    if (slot.begun === undefined) {
      slot.callType = type
      this.#name(slot, place)
    }
    slot.arguments.append(delta)
    out.push({ _tag: "ToolCallDelta", outputIndex: slot.index, delta })
  }

  /** The text of a part at its beginning, in case nothing more is said of it. */
  partAdded(place: Place, kind: PartKind, index: unknown, text: unknown): void {
    if (asNonBlank(text) === undefined) return
    const slot = this.#places.ofClosing(place, ownerOf(kind))
    slot?.begunTexts.push({ kind, index: partIndex(index), text: text as string, annotations: [] })
    this.#grow()
  }

  /** The full text of one part; `whole` is the part with its other fields. */
  partDone(place: Place, kind: PartKind, index: unknown, text: unknown, out: Out, whole?: Raw): void {
    if (typeof text !== "string" || this.#isDeep(whole)) return
    const slot = this.#places.ofClosing(place, ownerOf(kind))
    if (slot === undefined) return
    const part = partIndex(index)
    const known = slot.parts.part(kind, part)
    const annotations = whole?.["annotations"]
    if (Array.isArray(annotations) && annotations.length > (known.annotations?.length ?? 0)) {
      known.annotations = annotations.slice()
    }
    known.fields = fieldsOf(whole) ?? known.fields
    if (known.text.length === 0 && isBlank(text)) return
    const { added, agrees } = known.text.settle(text)
    if (!agrees) this.#note(differs)
    if (added !== "") out.push(textDelta(slot, kind, part, added))
  }

  /** The full arguments of a call. */
  callDone(
    place: Place & { readonly call_id?: unknown; readonly name?: unknown },
    type: "function" | "custom",
    full: unknown,
    out: Out
  ): void {
    const slot = this.#places.ofClosing(place, "call")
    if (slot === undefined) return
    if (slot.begun === undefined) slot.callType = type
    this.#name(slot, place)
    slot.argumentsDone = true
    const isObject = type === "function" && asObject(full) !== undefined
    // the JSON text of an object can differ from its deltas
    const text = isObject ? (slot.arguments.length > 0 ? undefined : jsonOf(full)) : asText(full)
    if (text === undefined) return
    if (!isBlank(text)) slot.hasFullArguments = true
    this.#settleArguments(slot, text, out)
  }

  annotation(place: Place, annotation: unknown): void {
    if (this.#isDeep(annotation)) return
    const part = this.#places.ofClosing(place, "message")?.parts.part("text", partIndex(place.content_index))
    if (part === undefined) return
    part.annotations ??= []
    part.annotations.push(annotation)
    this.#grow()
  }

  itemAdded(event: Place & { readonly item?: unknown }, out: Out): void {
    const item = asObject(event.item)
    if (item === undefined || asNonBlank(item["type"]) === undefined || this.#isDeep(item)) return
    const slot = this.#places.ofBegun(event, item, kindOf(item["type"]))
    if (slot === undefined) return
    slot.begun = Slots.inherit(slot, item) as unknown as Item.Item
    if (slot.kind !== "call") return
    slot.callType = item["type"] === "custom_tool_call" ? "custom" : "function"
    this.#name(slot, item)
    start(slot, out)
  }

  itemDone(event: Place, value: unknown, out: Out): void {
    const item = asObject(value)
    if (item === undefined || this.#isDeep(item)) return
    const type = asNonBlank(item["type"]) ?? this.#places.known(event.output_index, item["id"])?.begun?.type
    if (type === undefined) return
    const typed: Raw = item["type"] === type ? item : { ...item, type }
    const slot = this.#places.ofDone(event, typed, kindOf(type))
    if (slot.item !== undefined) this.#again(slot, typed, out)
    else this.#finish(slot, typed, out)
  }

  hosted(event: Raw, { stage, tool }: { readonly tool: string; readonly stage: string }, out: Out): void {
    const slot = this.#places.ofHosted(event)
    if (slot !== undefined) slot.tool ??= tool
    const progress = { _tag: "HostedToolProgress", outputIndex: slot?.index ?? 0, tool, stage } as const
    if (slot !== undefined) this.#hostedText(slot, event)
    const delta = asText(event["delta"]) ?? asText(event["partial_image_b64"])
    const shell = asObject(event["delta"])
    const channels = (["stdout", "stderr"] as const).flatMap((channel) => {
      const text = asText(shell?.[channel])
      return text === undefined || text === "" ? [] : [{ ...progress, delta: text, channel }]
    })
    if (channels.length > 0) out.push(...channels)
    else out.push(delta === undefined ? progress : { ...progress, delta })
  }

  /** The code or arguments of a hosted tool, for an item that omits them. */
  #hostedText(slot: Slot, event: Raw): void {
    const type = String(event["type"])
    if (slot.kind !== "item" || slot.item !== undefined) return
    if (!/_(?:code|arguments)\.(?:delta|done)$/.test(type)) return
    const full = asText(event["code"]) ?? asText(event["arguments"])
    if (type.endsWith(".done")) {
      if (full !== undefined) slot.arguments.settle(full)
    } else slot.arguments.append(asText(event["delta"]) ?? "")
  }

  /**
   * Fills gaps from the terminal event's item list: items without an `output_item.done`, fields that one omitted, and
   * encrypted reasoning that only the list has (protocol 0.3, D.3). A new item is placed after its predecessor in the
   * list. If the turn did not complete, a call must itself have the status `completed`.
   */
  backfill(list: ReadonlyArray<unknown>, completed: boolean, out: Out): void {
    const items = list.flatMap((value) => {
      const item = asObject(value)
      return item === undefined || asNonBlank(item["type"]) === undefined || this.#isDeep(item) ? [] : [item]
    })
    const slots = this.#match(items)
    let before: Slot | undefined
    items.forEach((item, index) => {
      const kind = kindOf(item["type"])
      const slot = slots[index] ?? this.#places.open(kind, index, before?.order ?? -1)
      before = slot
      if (slot.item !== undefined) this.#compare(slot, item, out)
      else if (completed || kind !== "call" || item["status"] === "completed") this.#finish(slot, item, out)
      else {
        slot.begun ??= item as unknown as Item.Item
        this.#name(slot, item)
      }
    })
  }

  /**
   * Ends the turn. Streamed output without an `output_item.done` becomes an item, so that the next request can replay
   * it. A call becomes an item only if its arguments and the turn are complete.
   */
  close(completed: boolean, out: Out): void {
    for (const slot of this.#places.inOrder()) {
      if (slot.item !== undefined) continue
      if (slot.kind === "call") {
        const isWhole = slot.argumentsDone && !slot.isIncomplete && slot.name !== undefined
        if (completed && isWhole) this.#finish(slot, Slots.rebuiltCall(slot), out, true)
      } else if (slot.kind !== "item") {
        this.#loadBegun(slot, out)
        if (slot.parts.hasText) this.#finish(slot, Slots.rebuilt(slot), out, true)
      }
    }
  }

  read(completed: boolean): {
    readonly blocks: ReadonlyArray<Turn.Block>
    readonly items: ReadonlyArray<Item.Item>
    readonly calls: ReadonlyArray<Turn.ToolCall>
    readonly executable: ReadonlyArray<Turn.ToolCall>
    readonly others: ReadonlyArray<Turn.ToolCall>
  } {
    const blocks: Array<Turn.Block> = []
    const items: Array<Item.Item> = []
    const calls: Array<Turn.ToolCall> = []
    const executable: Array<Turn.ToolCall> = []
    const others: Array<Turn.ToolCall> = []
    for (const slot of this.#places.inOrder()) {
      const call = slot.call ?? (slot.kind === "call" ? Slots.unfinishedCall(slot) : undefined)
      const runs = slot.executable && !slot.isWithdrawn
      if (call !== undefined) {
        calls.push(call)
        ;(runs ? executable : others).push(call)
      }
      if (slot.item !== undefined && slot.kept && (completed || call === undefined || runs)) {
        items.push(slot.item)
      }
      if (slot.kind === "call") {
        if (call !== undefined) {
          blocks.push({ _tag: "ToolCall", outputIndex: slot.index, call, finished: slot.item !== undefined })
        }
      } else if (slot.item !== undefined) {
        for (const block of Turn.blocksOf(slot.item, slot.index)) blocks.push(block)
      } else Slots.appendUnfinished(slot, blocks)
    }
    return { blocks, items, calls, executable, others }
  }

  #grow(): void {
    if (++this.#size > maxSize) this.problem = "turnTooLarge"
  }

  #isDeep(value: unknown): boolean {
    if (!isDeep(value)) return false
    this.problem = "tooDeep"
    return true
  }

  #late(): void {
    this.#note("differs from its item: comes after it")
  }

  /** Sets the call id and the name unless they are blank. */
  #name(slot: Slot, from: { readonly call_id?: unknown; readonly name?: unknown }): void {
    const callId = asNonBlank(from.call_id)
    if (callId !== undefined && callId !== slot.callId) {
      if (slot.callId !== undefined) this.#note("differs in its call_id")
      slot.callId = callId
      this.#places.called(slot, callId)
    }
    const name = asNonBlank(from.name)
    if (name !== undefined && name !== slot.name) {
      if (slot.name !== undefined) this.#note("differs in its name")
      slot.name = name
    }
  }

  /** Emits the text of the added item if no deltas followed it, for each kind of text that the finished item lacks. */
  #loadBegun(slot: Slot, out: Out, end?: Item.Item): void {
    if (slot.parts.hasText) return
    const begun = [...(slot.begun === undefined ? [] : Turn.textsOf(slot.begun)), ...slot.begunTexts]
    if (begun.length === 0) return
    const texts = end === undefined ? [] : Turn.textsOf(end).filter(({ text }) => !isBlank(text))
    const kinds = new Set<PartKind>(texts.map(({ kind }) => kind))
    const words = new Set(texts.map(({ text }) => text.trim()))
    slot.parts.load(begun, ({ kind, text }) => !kinds.has(kind) && !words.has(text.trim()))
    for (const { index, kind, text } of slot.parts.inOrder()) {
      if (text.length > 0) out.push(textDelta(slot, kind, index, text.value))
    }
  }

  #finish(slot: Slot, item: Raw, out: Out, isRebuilt = false): void {
    const whole = Slots.inherit(slot, item) as unknown as Item.Item
    switch (slot.kind) {
      case "message":
      case "reasoning": {
        this.#loadBegun(slot, out, whole)
        const added: Added = (kind, index, delta) => out.push(textDelta(slot, kind, index, delta))
        const settled = slot.parts.settle(whole, added)
        if (!settled.agrees) this.#note(differs)
        return this.#keep(slot, settled.item, undefined, isRebuilt, out)
      }
      case "call":
        return this.#finishCall(slot, whole, isRebuilt, out)
      case "item":
        return this.#keep(slot, whole, Turn.callOf(whole), isRebuilt, out)
    }
  }

  #finishCall(slot: Slot, item: Item.Item, isRebuilt: boolean, out: Out): void {
    this.#name(slot, item as Raw)
    slot.callType = item.type === "custom_tool_call" ? "custom" : "function"
    const read = Turn.callOf(item)
    if (read === undefined) return
    const key = slot.callType === "function" ? "arguments" : "input"
    const value = (item as Raw)[key]
    const isEmpty = read.unreadable !== undefined || isBlank(read.arguments)
    const earlier = isEmpty || typeof value !== "string" ? Compare.streamedArguments(slot, value) : undefined
    const { unreadable: _, ...readable } = read
    const call: Turn.ToolCall = earlier === undefined ? read : { ...readable, arguments: earlier }
    if (!isEmpty) slot.hasFullArguments = true
    if (call.unreadable === undefined) this.#settleArguments(slot, call.arguments, out)
    slot.argumentsDone = true
    const complete =
      value === call.arguments && (item as Raw)["name"] === call.name
        ? item
        : ({ ...(item as Raw), name: call.name, [key]: call.arguments } as unknown as Item.Item)
    this.#keep(slot, complete, call, isRebuilt, out)
  }

  /** Records a finished item. */
  #keep(slot: Slot, item: Item.Item, read: Turn.ToolCall | undefined, isRebuilt: boolean, out: Out): void {
    const status = (item as Raw)["status"]
    const call = read !== undefined && (slot.kind === "call" || !isBlank(read.callId)) ? read : undefined
    if (call !== undefined) {
      // a rebuilt item still has its initial status
      const isDone = Compare.isCompleted(status) || (isRebuilt && status === "in_progress")
      const earlier = this.#find(call, item as Raw)
      if (!isDone) withdraw(earlier)
      // a call without an id cannot be answered, and an incomplete call must not be answered
      if (isBlank(call.callId) || status === "incomplete") {
        slot.begun = item
        slot.call = call
        slot.isIncomplete = true
        return
      }
      slot.call = call
      if (slot.kind === "item") slot.hasFullArguments = call.unreadable === undefined
      if (earlier?.executable === true || (earlier !== undefined && !isDone)) {
        slot.item = item
        return this.#repeats(slot, call, out)
      }
      if (earlier !== undefined) earlier.kept = false
      for (const id of idsOf(call, item as Raw)) this.#calls.set(id, slot)
      slot.callId = call.callId
      slot.name = call.name
      slot.executable = isDone
      start(slot, out)
      if (isDone) out.push({ _tag: "ToolCallCompleted", outputIndex: slot.index, call })
    }
    slot.item = item
    slot.kept = true
    slot.begun = undefined
    out.push({ _tag: "ItemCompleted", outputIndex: slot.index, item })
  }

  /** Replaces arguments that were only streamed with those of the terminal list. */
  #fillCall(
    slot: Slot,
    { unreadable: _, ...call }: Turn.ToolCall,
    { arguments: text }: Turn.ToolCall,
    item: Raw,
    out: Out
  ): void {
    slot.call = { ...call, arguments: text }
    const key = call.type === "custom" ? "input" : call.type === "local_shell" ? "action" : "arguments"
    const done = slot.item as unknown as Raw
    slot.item = { ...done, [key]: slot.kind === "call" ? text : item[key] } as unknown as Item.Item
    this.#settleArguments(slot, text, out)
  }

  #settleArguments(slot: Slot, text: string, out: Out): void {
    const { added, agrees } = slot.arguments.settle(text)
    if (!agrees) this.#note(differs)
    if (added !== "") out.push({ _tag: "ToolCallDelta", outputIndex: slot.index, delta: added })
  }

  #find(call: Turn.ToolCall, item: Raw): Slot | undefined {
    const [slot] = idsOf(call, item).flatMap((id) => this.#calls.get(id) ?? [])
    return slot
  }

  #repeats(slot: Slot, call: Turn.ToolCall, out: Out): void {
    this.#note(`repeats the call ${call.callId}`)
    out.push({ _tag: "ToolCallRepeated", outputIndex: slot.index, call })
  }

  /** Handles a second `output_item.done`: the first item is kept, and its missing fields are filled. */
  #again(slot: Slot, item: Raw, out: Out): void {
    const call = slot.call === undefined ? undefined : Turn.callOf(item as unknown as Item.Item)
    if (slot.call !== undefined && !Compare.isCompleted(item["status"])) withdraw(this.#find(slot.call, item))
    if (call !== undefined) this.#repeats(slot, call, out)
    else if (!isWithin(slot.item, item)) {
      this.#note("differs from its item")
      // only once, so that many repetitions take linear time
      if (!slot.isCompared) this.#fill(slot, item, out)
      slot.isCompared = true
    }
  }

  /** Compares a finished item with that of the terminal list, and fills its missing fields. */
  #compare(slot: Slot, item: Raw, out: Out): void {
    const done = slot.item as unknown as Raw
    if (isWithin(done, item)) return
    if (slot.call !== undefined) {
      if (!Compare.isCompleted(item["status"])) withdraw(this.#find(slot.call, item))
      const call = Turn.callOf(item as unknown as Item.Item)
      if (call === undefined) return
      if (!slot.hasFullArguments && Compare.hasArgumentsOf(call, slot.call))
        this.#fillCall(slot, slot.call, call, item, out)
      else if (!Compare.isSameCall(done, slot.call, item, call)) this.#repeats(slot, call, out)
      return
    }
    if (!this.#fill(slot, item, out)) this.#note("differs from its item")
  }

  /** Fills missing fields of a finished item from a later version; returns whether the texts agree otherwise. */
  #fill(slot: Slot, item: Raw, out: Out): boolean {
    const done = slot.item as unknown as Raw
    const { encrypted_content: encrypted, status: _, ...rest } = item
    let later: Raw = rest
    if (slot.kind === "message" || slot.kind === "reasoning") {
      const parts = new Parts(() => {})
      parts.load(Turn.textsOf(slot.item as Item.Item))
      const added: Array<TurnEvent.TurnEvent> = []
      const settled = parts.settle(rest as unknown as Item.Item, (kind, index, delta) => {
        added.push(textDelta(slot, kind, index, delta))
      })
      if (!settled.agrees) {
        const { content, summary, ...others } = settled.item as unknown as Raw
        later = {
          ...others,
          ...(isEmpty(done["content"]) && { content }),
          ...(isEmpty(done["summary"]) && { summary })
        }
      } else if (added.length > 0) {
        later = settled.item as unknown as Raw
        for (const event of added) out.push(event)
        const texts: Record<string, unknown> = {}
        for (const key of ["summary", "content"]) if (!isEmpty(later[key])) texts[key] = later[key]
        slot.item = { ...done, ...texts } as unknown as Item.Item
      }
      const isNew = asNonBlank(encrypted) !== undefined && asNonBlank(done["encrypted_content"]) === undefined
      if (slot.kind === "reasoning" && isNew) later = { ...later, encrypted_content: encrypted }
      slot.item = filledFrom(slot.item, later) as Item.Item
      return settled.agrees
    }
    slot.item = filledFrom(done, later) as Item.Item
    return isWithin(slot.item, filledFrom(later, slot.item))
  }

  /** Finds the slots of a list of items: by id, else by equal content or streamed text, else by position. */
  #match(items: ReadonlyArray<Raw>): ReadonlyArray<Slot | undefined> {
    const taken = new Set<Slot>()
    const take = (slot: Slot | undefined): Slot | undefined => {
      if (slot === undefined || taken.has(slot)) return undefined
      taken.add(slot)
      return slot
    }
    const slots = items.map((item) => take(this.#places.named(item, kindOf(item["type"]))))
    if (!slots.includes(undefined)) return slots
    const byContent = new Map<string, Array<Slot>>()
    for (const slot of [...this.#places.inOrder()].reverse()) {
      const key = taken.has(slot) ? undefined : Slots.contentKey(slot)
      const same = key === undefined ? undefined : byContent.get(key)
      if (same !== undefined) same.push(slot)
      else if (key !== undefined) byContent.set(key, [slot])
    }
    items.forEach((raw, n) => {
      const item = raw as unknown as Item.Item
      slots[n] ??= take(byContent.get(Compare.contentKey(item))?.pop() ?? byContent.get(Compare.textKey(item))?.pop())
    })
    items.forEach((item, n) => {
      if (slots[n] !== undefined) return
      const at = this.#places.at(kindOf(item["type"]), n)
      const haveIds = at?.itemId !== undefined && asNonBlank(item["id"]) !== undefined
      const isOther = at?.item !== undefined && (at.item.type !== item["type"] || at.call !== undefined || haveIds)
      if (!isOther) slots[n] = take(at)
    })
    return slots
  }
}

const differs = "differs from its deltas"

const ownerOf = (kind: PartKind): "message" | "reasoning" =>
  kind === "text" || kind === "refusal" ? "message" : "reasoning"

const textDelta = (slot: Slot, kind: PartKind, index: number, delta: string): TurnEvent.TurnEvent => {
  switch (kind) {
    case "text":
      return { _tag: "TextDelta", outputIndex: slot.index, contentIndex: index, delta }
    case "refusal":
      return { _tag: "RefusalDelta", outputIndex: slot.index, contentIndex: index, delta }
    default:
      return { _tag: "ReasoningDelta", outputIndex: slot.index, kind, part: index, delta }
  }
}

/** A shell call can come without a `call_id`, and then has the id of its item: it counts under both. */
const idsOf = (call: Turn.ToolCall, item: Raw): ReadonlyArray<string> => {
  const id = call.type === "local_shell" ? asNonBlank(item["id"]) : undefined
  return id === undefined ? [call.callId] : [call.callId, id]
}

/** Withdraws a call that the server calls complete in one place and something else in another. */
const withdraw = (slot: Slot | undefined): void => {
  if (slot?.executable === true) slot.isWithdrawn = true
}

const start = (slot: Slot, out: Out): void => {
  if (slot.started || slot.callId === undefined || slot.name === undefined) return
  slot.started = true
  out.push({ _tag: "ToolCallStarted", outputIndex: slot.index, callId: slot.callId, name: slot.name })
}
