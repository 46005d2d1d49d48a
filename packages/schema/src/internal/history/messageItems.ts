/**
 * Converts messages to items (protocol C.4).
 */
import * as Option from "effect/Option"
import { defined } from "../../Defined.ts"
import type * as Item from "../../Item.ts"
import type * as Message from "../../Message.ts"
import type * as Turn from "../../Turn.ts"

/** `custom` holds the ids of the free-form calls so far; their outputs have a different type. */
export const messageItems = (message: Message.Message, custom: ReadonlySet<string>): ReadonlyArray<Item.Item> => {
  switch (message.role) {
    case "system":
      return [{ type: "message", role: "system", content: [{ type: "input_text", text: message.content }] }]
    case "developer":
    case "user":
      return [{ type: "message", role: message.role, content: message.content.map(contentPart) }]
    case "assistant":
      return message.content.length === 0 ? empty : message.content.map(outputItem)
    case "tool":
      return message.content.length === 0
        ? empty
        : message.content.map((result) => ({
            type: custom.has(result.callId) ? "custom_tool_call_output" : "function_call_output",
            call_id: result.callId,
            output: toolOutput(result)
          }))
  }
}

/** A message without blocks; a later step removes and reports it like every empty message. */
const empty: ReadonlyArray<Item.Item> = [{ type: "message", role: "assistant", content: [] }]

const contentPart = (content: Message.Content): Item.ContentPart => {
  switch (content._tag) {
    case "Text":
      return { type: "input_text", text: content.text }
    case "Image":
      return { type: "input_image", image_url: content.url, ...defined({ detail: content.detail }) }
    case "Document":
      return {
        type: "input_file",
        ...(/^\s*data:/i.test(content.url) ? { file_data: content.url } : { file_url: content.url }),
        ...defined({ filename: content.filename })
      }
  }
}

const outputItem = (content: Message.AssistantContent): Item.Item => {
  switch (content._tag) {
    case "Text":
      return {
        type: "message",
        role: "assistant",
        ...defined({ phase: content.phase }),
        content: [{ type: "output_text", text: content.text }]
      }
    case "Reasoning":
      return {
        type: "reasoning",
        ...defined({ id: content.id }),
        summary: content.summary.map((text) => ({ type: "summary_text", text })),
        ...defined({ encrypted_content: content.encryptedContent })
      }
    case "ToolCall":
      return callItem(content.id, content.call)
    case "Compaction":
      return { type: "compaction", ...defined({ id: content.id }), encrypted_content: content.encryptedContent }
  }
}

const callItem = (id: string | undefined, call: Turn.ToolCall): Item.Item => {
  const common = defined({ id, call_id: call.callId })
  const named = { ...common, name: call.name, ...defined({ namespace: call.namespace }) }
  const type: string = call.type
  switch (type) {
    case "custom":
      return { type: "custom_tool_call", ...named, input: call.arguments }
    case "local_shell":
      return { type: "local_shell_call", ...common, action: json(call.arguments) as Item.LocalShellCallItem["action"] }
    case "tool_search":
      return { type: "tool_search_call", ...common, execution: "client", arguments: json(call.arguments) }
    default:
      return { type: "function_call", ...named, arguments: call.arguments }
  }
}

/** The value of JSON text, or the text itself if it is not JSON. */
const json = (text: string): unknown => Option.getOrElse(parse(text), () => text)

const parse = Option.liftThrowable((text: string): unknown => JSON.parse(text))

const toolOutput = ({ isError, output }: Message.ToolResult): Item.ToolOutput => {
  if (typeof output === "string") return isError === true ? `Error: ${output}` : output
  const parts = output.map(contentPart)
  return isError === true ? [{ type: "input_text", text: "Error:" }, ...parts] : parts
}
