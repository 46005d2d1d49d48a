/** One output item while it grows. */
import type { Item, Turn } from "@effect-codex/schema"
import { Parts } from "./parts.ts"
import { Text } from "./text.ts"

export type Kind = "message" | "reasoning" | "call" | "item"

export const kindOf = (type: unknown): Kind => {
  switch (type) {
    case "message":
    case "reasoning":
      return type
    case "function_call":
    case "custom_tool_call":
      return "call"
    default:
      return "item"
  }
}

export class Slot {
  itemId: string | undefined
  /** The item of `output_item.added`. */
  begun: Item.Item | undefined
  /** The finished item. */
  item: Item.Item | undefined
  /** Whether the finished item belongs to the turn's items. */
  kept = false
  readonly parts: Parts
  readonly arguments = new Text()
  /** Whether an event said that the arguments are complete. */
  argumentsDone = false
  /** Whether an event gave the arguments as a whole. */
  argumentsStated = false
  callType: "function" | "custom" = "function"
  callId: string | undefined
  name: string | undefined
  started = false
  /** Whether its item was done but is half a call by its own status. */
  isHalf = false
  /** The call of the finished item, or of half a one. */
  call: Turn.ToolCall | undefined
  /** Whether the call may be carried out if the turn ends well. */
  executable = false
  /** The tool of a hosted item that has not finished. */
  tool: string | undefined

  constructor(
    readonly kind: Kind,
    /** Its place in events and blocks. */
    readonly index: number,
    /** Where it stands in the output; the same as `index` unless it came late. */
    readonly order: number,
    /** The index the wire gives it. */
    readonly wireIndex: number | undefined,
    opened: () => void
  ) {
    this.parts = new Parts(opened)
  }
}
