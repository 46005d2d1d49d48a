/** Converts the text and reasoning of a turn to parts: at once, or while streaming. */
import type * as Response from "@effect/ai/Response"
import type { Item, Turn, TurnEvent } from "@effect-codex/schema"
import type * as Metadata from "../CodexMetadata.ts"

/** The text and reasoning of a finished turn, in order. */
export const ofTurn = (turn: Turn.Turn): ReadonlyArray<Response.PartEncoded> =>
  turn.blocks.flatMap((block): ReadonlyArray<Response.PartEncoded> => {
    switch (block._tag) {
      case "Text":
        return [
          {
            type: "text",
            text: block.text,
            ...(block.phase !== undefined && { metadata: { codex: { phase: block.phase } } })
          }
        ]
      case "Refusal":
        return [{ type: "text", text: block.text, metadata: { codex: { refusal: true } } }]
      case "Reasoning":
        return [...block.summary, ...block.content].flatMap(
          (text): ReadonlyArray<Response.PartEncoded> => (text === "" ? [] : [{ type: "reasoning", text }])
        )
      default:
        return []
    }
  })

/** A text, reasoning or arguments part that is still streaming. */
interface Open {
  readonly kind: "text" | "reasoning" | "tool-params"
  readonly id: string
  readonly outputIndex: number
  readonly refusal: boolean
  text: string
}

type Delta = {
  readonly type: "text-delta" | "reasoning-delta" | "tool-params-delta"
  readonly id: string
  delta: string
}

/** Converts the events of one request to parts. Consecutive deltas of one chunk are merged. */
export interface Writer {
  readonly write: (events: Iterable<TurnEvent.TurnEvent>) => ReadonlyArray<Response.StreamPartEncoded>
  /** Ends all open parts. */
  readonly end: () => ReadonlyArray<Response.StreamPartEncoded>
  /** The texts in the order they ended, which is their order in a `Chat`. */
  readonly text: () => string
  readonly started: () => boolean
}

/** `prefix` makes the part ids of this request unique. */
export const writer = (prefix: string, timestamp: () => string): Writer => {
  const open = new Map<string, Open>()
  let out: Array<Response.StreamPartEncoded> = []
  let last: Delta | undefined
  let attempt = 0
  let blocks = 0
  let said = ""
  /** The last part written to; most deltas continue it. */
  let current: (Open & { readonly part: number }) | undefined

  const push = (part: Response.StreamPartEncoded) => {
    out.push(part)
    last = undefined
  }

  const end = (key: string, block: Open, codex: Metadata.Text) => {
    open.delete(key)
    current = undefined
    if (block.kind === "text") said += block.text
    const known = Object.keys(codex).length > 0
    push({ type: `${block.kind}-end`, id: block.id, ...(known && { metadata: { codex } }) })
  }

  const endAll = () => {
    for (const [key, block] of open) end(key, block, block.refusal ? { refusal: true } : {})
  }

  const begin = (kind: "text" | "reasoning", outputIndex: number, part: number, refusal = false): Open => {
    if (
      current?.outputIndex === outputIndex &&
      current.part === part &&
      current.kind === kind &&
      current.refusal === refusal
    ) {
      return current
    }
    const key = `${kind} ${outputIndex} ${part} ${refusal}`
    const known = open.get(key)
    if (known !== undefined) return known
    const block = { kind, id: `${prefix}${kind}_${blocks++}`, outputIndex, part, refusal, text: "" }
    open.set(key, block)
    current = block
    push({ type: `${kind}-start`, id: block.id, ...(refusal && { metadata: { codex: { refusal } } }) })
    return block
  }

  const add = (block: Open, delta: string) => {
    if (block.kind === "text") block.text += delta
    if (last?.id === block.id) {
      last.delta += delta
      return
    }
    const part: Delta = { type: `${block.kind}-delta`, id: block.id, delta }
    push(part)
    last = part
  }

  const completed = (outputIndex: number, item: Item.Item) => {
    const { id, phase } = item as Readonly<Record<string, unknown>>
    const codex = {
      ...(typeof id === "string" && { itemId: id }),
      ...(typeof phase === "string" && { phase })
    }
    for (const [key, block] of open) {
      if (block.outputIndex !== outputIndex || block.kind === "tool-params") continue
      end(key, block, block.kind === "text" ? { ...codex, ...(block.refusal && { refusal: true }) } : {})
    }
  }

  const callKey = (outputIndex: number) => `call ${outputIndex}`

  const one = (event: TurnEvent.TurnEvent) => {
    switch (event._tag) {
      case "TurnStarted":
        // a new attempt: ends the open reasoning and calls of the previous one
        endAll()
        attempt++
        push({
          type: "response-metadata",
          ...(event.responseId !== undefined && { id: event.responseId }),
          ...(event.model !== undefined && { modelId: event.model }),
          timestamp: timestamp()
        })
        return
      case "TextDelta":
        return add(begin("text", event.outputIndex, event.contentIndex), event.delta)
      case "RefusalDelta":
        return add(begin("text", event.outputIndex, event.contentIndex, true), event.delta)
      case "ReasoningDelta": {
        const part = event.kind === "summary" ? event.part : -1 - event.part
        return add(begin("reasoning", event.outputIndex, part), event.delta)
      }
      case "ToolCallStarted": {
        const block: Open = {
          kind: "tool-params",
          id: event.callId,
          outputIndex: event.outputIndex,
          refusal: false,
          text: ""
        }
        open.set(callKey(event.outputIndex), block)
        return push({ type: "tool-params-start", id: event.callId, name: event.name, providerExecuted: false })
      }
      case "ToolCallDelta": {
        const block = open.get(callKey(event.outputIndex))
        return block === undefined ? undefined : add(block, event.delta)
      }
      case "ToolCallCompleted": {
        const block = open.get(callKey(event.outputIndex))
        return block === undefined ? undefined : end(callKey(event.outputIndex), block, {})
      }
      case "ItemCompleted":
        return completed(event.outputIndex, event.item)
      default:
        return
    }
  }

  const flush = (): ReadonlyArray<Response.StreamPartEncoded> => {
    const parts = out
    out = []
    last = undefined
    return parts
  }

  return {
    write: (events) => {
      for (const event of events) one(event)
      return flush()
    },
    end: () => {
      endAll()
      return flush()
    },
    text: () => said,
    started: () => attempt > 0
  }
}
