/** The output of one turn while it grows: one slot for each output item, found by its index. */
import { Guard, Item, type Turn, type TurnEvent } from "@effect-codex/schema"
import { Text } from "./text.ts"

type Out = Array<TurnEvent.TurnEvent>
type Raw = Readonly<Record<string, unknown>>

/** Where an event says it belongs; each key may be missing, `null` or nonsense. */
interface Place {
  readonly output_index?: unknown
  readonly item_id?: unknown
  readonly content_index?: unknown
}

type Kind = "message" | "reasoning" | "call" | "item"

interface TextPart {
  readonly kind: "text" | "refusal"
  readonly text: Text
  annotations: Array<unknown>
}

interface Slot {
  readonly index: number
  kind: Kind
  /** The finished item as the server sent it. */
  item: Item.Item | undefined
  itemId: string | undefined
  readonly parts: Array<TextPart>
  readonly summary: Array<Text>
  readonly content: Array<Text>
  phase: string | undefined
  callType: "function" | "custom"
  callId: string | undefined
  name: string | undefined
  namespace: string | undefined
  readonly arguments: Text
  argumentsDone: boolean
  started: boolean
  call: Turn.ToolCall | undefined
  type: string
  status: string | undefined
}

const itemGuard = Guard.make(Item.Item)

/** An index beyond any sense counts as missing: it would leave holes as large as itself. */
const maxIndex = 10_000
const asIndex = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= maxIndex ? value : undefined
const partIndex = (value: unknown): number => asIndex(value) ?? 0
const asText = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined)
const asArray = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])
const asObject = (value: unknown): Raw =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Raw) : {}

const kindOf = (type: unknown): Kind =>
  type === "message"
    ? "message"
    : type === "reasoning"
      ? "reasoning"
      : type === "function_call" || type === "custom_tool_call"
        ? "call"
        : "item"

export class Output {
  readonly #slots: Array<Slot> = []
  /** The slot that the wire's index means now. */
  readonly #byIndex = new Map<number, Slot>()
  readonly #byId = new Map<string, Slot>()
  #last: Slot | undefined
  #lastIndex: number | undefined
  #next = 0

  text(place: Place, delta: unknown, out: Out): void {
    this.#write(place, "text", delta, out)
  }

  refusal(place: Place, delta: unknown, out: Out): void {
    this.#write(place, "refusal", delta, out)
  }

  textDone(place: Place, text: unknown, out: Out): boolean {
    return this.#writeAll(this.#slot(place, "message"), partIndex(place.content_index), "text", text, out)
  }

  refusalDone(place: Place, text: unknown, out: Out): boolean {
    return this.#writeAll(this.#slot(place, "message"), partIndex(place.content_index), "refusal", text, out)
  }

  annotation(place: Place, annotation: unknown): void {
    this.#part(this.#slot(place, "message"), partIndex(place.content_index), "text").annotations.push(annotation)
  }

  reasoning(place: Place, kind: "summary" | "content", part: unknown, delta: unknown, out: Out): void {
    if (typeof delta !== "string" || delta === "") return
    const slot = this.#slot(place, "reasoning")
    const index = partIndex(part)
    reasoningPart(slot, kind, index).append(delta)
    out.push({ _tag: "ReasoningDelta", outputIndex: slot.index, kind, part: index, delta })
  }

  reasoningDone(place: Place, kind: "summary" | "content", part: unknown, text: unknown, out: Out): boolean {
    return this.#reasonAll(this.#slot(place, "reasoning"), kind, partIndex(part), text, out)
  }

  callDelta(place: Place, type: "function" | "custom", delta: unknown, out: Out): void {
    if (typeof delta !== "string" || delta === "") return
    const slot = this.#slot(place, "call")
    slot.callType = type
    slot.arguments.append(delta)
    out.push({ _tag: "ToolCallDelta", outputIndex: slot.index, delta })
  }

  callDone(
    place: Place & { readonly call_id?: unknown; readonly name?: unknown },
    type: "function" | "custom",
    text: unknown,
    out: Out
  ): boolean {
    const slot = this.#slot(place, "call")
    slot.callType = type
    slot.callId ??= asText(place.call_id)
    slot.name ??= asText(place.name)
    slot.argumentsDone = true
    return this.#argumentsAll(slot, text, out)
  }

  itemAdded(event: Place & { readonly item?: unknown }, out: Out): void {
    const item = asObject(event.item)
    this.#describe(this.#slotOfItem(event, item, false), item, out)
  }

  itemDone(event: Place, item: unknown, out: Out): boolean {
    const raw = asObject(item)
    return this.#finish(this.#slotOfItem(event, raw, true), raw, out)
  }

  hosted(event: Raw, { stage, tool }: { readonly tool: string; readonly stage: string }, out: Out): void {
    const slot = this.#slot(event, "item")
    if (slot.kind === "item" && slot.type === "") slot.type = tool
    const delta = asText(event["delta"]) ?? asText(event["partial_image_b64"])
    out.push({
      _tag: "HostedToolProgress",
      outputIndex: slot.index,
      tool,
      stage,
      ...(delta !== undefined && { delta })
    })
  }

  /**
   * The terminal event's own list of items: used for what no `output_item.done` brought, and for encrypted reasoning
   * that only it has (protocol 0.3, D.3).
   */
  backfill(items: ReadonlyArray<Raw>, out: Out): void {
    items.forEach((item, index) => {
      const id = asText(item["id"])
      const slot = (id === undefined ? undefined : this.#byId.get(id)) ?? this.#byIndex.get(index)
      if (slot?.item === undefined) {
        this.#finish(slot ?? this.#open(index, kindOf(item["type"])), item, out)
        return
      }
      const done: Raw = slot.item
      if (
        item["type"] === "reasoning" &&
        done["type"] === "reasoning" &&
        asText(done["encrypted_content"]) === undefined
      ) {
        const encrypted = asText(item["encrypted_content"])
        if (encrypted !== undefined) slot.item = { ...done, encrypted_content: encrypted } as Item.Item
      }
    })
  }

  /**
   * The turn is over. What came whole but without its `output_item.done` becomes an item, so that the next request can
   * replay it; a call counts as finished only if its arguments were.
   */
  close(completed: boolean, out: Out): void {
    for (const slot of this.#inOrder()) {
      if (slot.item !== undefined || !completed) continue
      if (slot.kind === "call" && slot.argumentsDone && slot.callId !== undefined && slot.name !== undefined) {
        const common = { call_id: slot.callId, name: slot.name, ...(slot.itemId !== undefined && { id: slot.itemId }) }
        this.#finish(
          slot,
          slot.callType === "function"
            ? { type: "function_call", ...common, arguments: slot.arguments.value }
            : { type: "custom_tool_call", ...common, input: slot.arguments.value },
          out
        )
      } else if (slot.kind === "message" && slot.parts.some((part) => part !== undefined)) {
        const content = slot.parts.map((part) =>
          part.kind === "text"
            ? { type: "output_text", text: part.text.value, annotations: part.annotations }
            : { type: "refusal", refusal: part.text.value }
        )
        this.#finish(
          slot,
          {
            type: "message",
            role: "assistant",
            content,
            ...(slot.itemId !== undefined && { id: slot.itemId }),
            ...(slot.phase !== undefined && { phase: slot.phase })
          },
          out
        )
      }
    }
  }

  read(): {
    readonly blocks: ReadonlyArray<Turn.Block>
    readonly items: ReadonlyArray<Item.Item>
    readonly calls: ReadonlyArray<Turn.ToolCall>
    readonly finishedCalls: ReadonlyArray<Turn.ToolCall>
    readonly unfinishedCalls: ReadonlyArray<Turn.ToolCall>
    readonly text: string
    readonly refusal: string | undefined
  } {
    const blocks: Array<Turn.Block> = []
    const items: Array<Item.Item> = []
    const calls: Array<Turn.ToolCall> = []
    const finishedCalls: Array<Turn.ToolCall> = []
    const unfinishedCalls: Array<Turn.ToolCall> = []
    let text = ""
    let refusal: string | undefined
    for (const slot of this.#inOrder()) {
      if (slot.item !== undefined) items.push(slot.item)
      switch (slot.kind) {
        case "message":
          for (const part of slot.parts) {
            if (part === undefined) continue
            const partText = part.text.value
            if (part.kind === "text") {
              text += partText
              blocks.push({
                _tag: "Text",
                outputIndex: slot.index,
                text: partText,
                ...(slot.phase !== undefined && { phase: slot.phase }),
                annotations: part.annotations.slice()
              })
            } else {
              refusal = (refusal ?? "") + partText
              blocks.push({ _tag: "Refusal", outputIndex: slot.index, text: partText })
            }
          }
          break
        case "reasoning":
          blocks.push({
            _tag: "Reasoning",
            outputIndex: slot.index,
            summary: Array.from(slot.summary, (part) => part?.value ?? ""),
            content: Array.from(slot.content, (part) => part?.value ?? "")
          })
          break
        case "call": {
          const call = slot.call ?? toolCall(slot)
          calls.push(call)
          ;(slot.call === undefined ? unfinishedCalls : finishedCalls).push(call)
          blocks.push({ _tag: "ToolCall", outputIndex: slot.index, call, finished: slot.call !== undefined })
          break
        }
        case "item":
          blocks.push({
            _tag: "Item",
            outputIndex: slot.index,
            type: slot.type,
            ...(slot.status !== undefined && { status: slot.status })
          })
      }
    }
    return { blocks, items, calls, finishedCalls, unfinishedCalls, text, refusal }
  }

  #inOrder(): ReadonlyArray<Slot> {
    return [...this.#slots].sort((a, b) => a.index - b.index)
  }

  /** The slot an event speaks of: by its index, else by the item's id, else the latest of its kind, else the first. */
  #slot(place: Place, kind: Kind): Slot {
    const index = asIndex(place.output_index)
    const last = this.#last
    if (index !== undefined) {
      if (last !== undefined && this.#lastIndex === index) return last
      const slot = this.#byIndex.get(index) ?? this.#open(index, kind)
      const id = asText(place.item_id)
      if (id !== undefined) this.#identify(slot, id)
      this.#last = slot
      this.#lastIndex = index
      return slot
    }
    const id = asText(place.item_id)
    const known = id === undefined ? undefined : this.#byId.get(id)
    if (known !== undefined) return known
    if (last !== undefined && last.kind === kind && last.item === undefined) return last
    const slot = this.#open(this.#next, kind)
    if (id !== undefined) this.#identify(slot, id)
    return slot
  }

  /**
   * The slot of an item that begins or is done: by its index, else by its id; one that is done without either is the
   * latest of its kind. Where another finished item stands already (servers exist that say index 0 of every item) and
   * where nothing stands, a new slot is opened.
   */
  #slotOfItem(place: Place, item: Raw, done: boolean): Slot {
    const kind = kindOf(item["type"])
    const id = asText(item["id"])
    const index = asIndex(place.output_index)
    const last = this.#last
    const known =
      index !== undefined
        ? this.#byIndex.get(index)
        : ((id === undefined ? undefined : this.#byId.get(id)) ??
          (done && last?.kind === kind && last.item === undefined ? last : undefined))
    const taken = known?.item !== undefined && !(done && isSame(known.item, item))
    const slot = known === undefined || taken ? this.#open(index ?? this.#next, kind) : known
    if (id !== undefined) this.#identify(slot, id)
    this.#last = slot
    this.#lastIndex = index ?? slot.index
    return slot
  }

  #identify(slot: Slot, id: string): void {
    slot.itemId = id
    this.#byId.set(id, slot)
  }

  #open(wireIndex: number, kind: Kind): Slot {
    const index = this.#byIndex.has(wireIndex) ? this.#next : wireIndex
    const slot: Slot = {
      index,
      kind,
      item: undefined,
      itemId: undefined,
      parts: [],
      summary: [],
      content: [],
      phase: undefined,
      callType: "function",
      callId: undefined,
      name: undefined,
      namespace: undefined,
      arguments: new Text(),
      argumentsDone: false,
      started: false,
      call: undefined,
      type: "",
      status: undefined
    }
    this.#slots.push(slot)
    this.#byIndex.set(wireIndex, slot)
    this.#next = Math.max(this.#next, index + 1)
    this.#last = slot
    this.#lastIndex = wireIndex
    return slot
  }

  /** Takes over what an item says about itself, begun or finished. */
  #describe(slot: Slot, item: Raw, out: Out): void {
    slot.kind = kindOf(item["type"])
    slot.type = asText(item["type"]) ?? slot.type
    slot.status = asText(item["status"]) ?? slot.status
    slot.phase = asText(item["phase"]) ?? slot.phase
    if (slot.kind !== "call") return
    slot.callType = item["type"] === "custom_tool_call" ? "custom" : "function"
    slot.callId = asText(item["call_id"]) ?? slot.callId
    slot.name = asText(item["name"]) ?? slot.name
    slot.namespace = asText(item["namespace"]) ?? slot.namespace
    if (slot.started || slot.callId === undefined || slot.name === undefined) return
    slot.started = true
    out.push({ _tag: "ToolCallStarted", outputIndex: slot.index, callId: slot.callId, name: slot.name })
  }

  #finish(slot: Slot, item: Raw, out: Out): boolean {
    if (slot.item !== undefined) return true
    this.#describe(slot, item, out)
    // an item that does not fit its type is read as far as it goes, but neither kept nor replayed
    const whole = itemGuard(item) === undefined
    let agrees = true
    switch (slot.kind) {
      case "message":
        asArray(item["content"]).forEach((value, index) => {
          const part = asObject(value)
          if (part["type"] === "output_text") {
            agrees = this.#writeAll(slot, index, "text", part["text"], out) && agrees
            const text = slot.parts[index]
            const annotations = part["annotations"]
            if (text !== undefined && Array.isArray(annotations)) text.annotations = annotations.slice()
          } else if (part["type"] === "refusal") {
            agrees = this.#writeAll(slot, index, "refusal", part["refusal"], out) && agrees
          }
        })
        break
      case "reasoning":
        asArray(item["summary"]).forEach((value, index) => {
          agrees = this.#reasonAll(slot, "summary", index, asObject(value)["text"], out) && agrees
        })
        asArray(item["content"]).forEach((value, index) => {
          agrees = this.#reasonAll(slot, "content", index, asObject(value)["text"], out) && agrees
        })
        break
      case "call": {
        agrees = this.#argumentsAll(slot, item[slot.callType === "function" ? "arguments" : "input"], out)
        // without an id no answer could be sent: the call stays unfinished
        slot.argumentsDone = true
        if (!whole) return agrees
        slot.call = toolCall(slot)
        out.push({ _tag: "ToolCallCompleted", outputIndex: slot.index, call: slot.call })
        break
      }
    }
    if (!whole) return agrees
    slot.item = item as Item.Item
    out.push({ _tag: "ItemCompleted", outputIndex: slot.index, item: slot.item })
    return agrees
  }

  #part(slot: Slot, index: number, kind: TextPart["kind"]): TextPart {
    const existing = slot.parts[index]
    if (existing !== undefined) return existing
    const part: TextPart = { kind, text: new Text(), annotations: [] }
    slot.parts[index] = part
    return part
  }

  #write(place: Place, kind: TextPart["kind"], delta: unknown, out: Out): void {
    if (typeof delta !== "string" || delta === "") return
    const slot = this.#slot(place, "message")
    const index = partIndex(place.content_index)
    this.#part(slot, index, kind).text.append(delta)
    out.push({
      _tag: kind === "text" ? "TextDelta" : "RefusalDelta",
      outputIndex: slot.index,
      contentIndex: index,
      delta
    })
  }

  #writeAll(slot: Slot, index: number, kind: TextPart["kind"], full: unknown, out: Out): boolean {
    if (typeof full !== "string") return true
    const { added, agrees } = this.#part(slot, index, kind).text.settle(full)
    if (added !== "") {
      out.push({
        _tag: kind === "text" ? "TextDelta" : "RefusalDelta",
        outputIndex: slot.index,
        contentIndex: index,
        delta: added
      })
    }
    return agrees
  }

  #reasonAll(slot: Slot, kind: "summary" | "content", part: number, full: unknown, out: Out): boolean {
    if (typeof full !== "string") return true
    const { added, agrees } = reasoningPart(slot, kind, part).settle(full)
    if (added !== "") out.push({ _tag: "ReasoningDelta", outputIndex: slot.index, kind, part, delta: added })
    return agrees
  }

  #argumentsAll(slot: Slot, full: unknown, out: Out): boolean {
    if (typeof full !== "string") return true
    const { added, agrees } = slot.arguments.settle(full)
    if (added !== "") out.push({ _tag: "ToolCallDelta", outputIndex: slot.index, delta: added })
    return agrees
  }
}

const reasoningPart = (slot: Slot, kind: "summary" | "content", index: number): Text => {
  const existing = slot[kind][index]
  if (existing !== undefined) return existing
  const part = new Text()
  slot[kind][index] = part
  return part
}

/** Whether a second finished item is the first one again. */
const isSame = (done: Item.Item, item: Raw): boolean => {
  const known = done as Raw
  return known["type"] === item["type"] && known["call_id"] === item["call_id"] && known["id"] === item["id"]
}

const toolCall = (slot: Slot): Turn.ToolCall => ({
  type: slot.callType,
  callId: slot.callId ?? "",
  name: slot.name ?? "",
  ...(slot.namespace !== undefined && { namespace: slot.namespace }),
  arguments: slot.arguments.value
})
