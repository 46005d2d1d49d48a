import type { Turn, TurnEvent } from "@effect-codex/schema"
import { type StreamError, TurnDecoder } from "@effect-codex/stream"

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

/** The bytes of some events, framed as the backend frames them. */
export const frames = (events: ReadonlyArray<object>): string =>
  events.map((event) => `event: ${(event as { type?: string }).type}\ndata: ${JSON.stringify(event)}\n\n`).join("")

export interface Decoded {
  readonly events: ReadonlyArray<TurnEvent.TurnEvent>
  readonly turn: Turn.Turn | undefined
  readonly failure: StreamError.StreamError | undefined
  readonly decoder: TurnDecoder.TurnDecoder
}

/** Decodes a whole body from its chunks, as a caller without Effect would. */
export const decode = (chunks: ReadonlyArray<Uint8Array>, options?: TurnDecoder.Options): Decoded => {
  const decoder = new TurnDecoder.TurnDecoder(options)
  const events = [...chunks.flatMap((chunk) => [...decoder.push(chunk)]), ...decoder.end()]
  return { events, turn: decoder.turn, failure: decoder.failure, decoder }
}

export const decodeText = (text: string, options?: TurnDecoder.Options): Decoded => decode([encode(text)], options)

/** Joins chunks. */
export const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

export const byteByByte = (bytes: Uint8Array): ReadonlyArray<Uint8Array> =>
  Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))

/** The text a consumer saw. */
export const shown = (events: ReadonlyArray<TurnEvent.TurnEvent>): string =>
  events.map((event) => (event._tag === "TextDelta" ? event.delta : "")).join("")

/** A realistic turn: reasoning, a commentary, a tool call, text beyond ASCII, a keep-alive, usage. */
export const realistic = (): ReadonlyArray<Record<string, unknown>> => {
  const id = "resp_1"
  const text = "Grüße, 世界 👩‍👩‍👧!"
  const args = '{"path":"/tmp/ä","depth":2}'
  const message = { type: "message", id: "msg_1", role: "assistant", phase: "commentary", status: "completed" }
  return [
    { type: "response.created", response: { id, status: "in_progress", model: "gpt-5.5" } },
    { type: "response.in_progress", response: { id, status: "in_progress" } },
    { type: "response.output_item.added", output_index: 0, item: { type: "reasoning", id: "rs_1", summary: [] } },
    {
      type: "response.reasoning_summary_part.added",
      item_id: "rs_1",
      output_index: 0,
      summary_index: 0,
      part: { type: "summary_text", text: "" }
    },
    ...["Think", "ing"].map((delta) => ({
      type: "response.reasoning_summary_text.delta",
      item_id: "rs_1",
      output_index: 0,
      summary_index: 0,
      delta
    })),
    {
      type: "response.reasoning_summary_text.done",
      item_id: "rs_1",
      output_index: 0,
      summary_index: 0,
      text: "Thinking"
    },
    {
      type: "response.output_item.done",
      output_index: 0,
      item: {
        type: "reasoning",
        id: "rs_1",
        summary: [{ type: "summary_text", text: "Thinking" }],
        encrypted_content: "gAAAAopaque"
      }
    },
    { type: "response.output_item.added", output_index: 1, item: { ...message, status: "in_progress", content: [] } },
    {
      type: "response.content_part.added",
      item_id: "msg_1",
      output_index: 1,
      content_index: 0,
      part: { type: "output_text", text: "" }
    },
    ...Array.from(text).map((delta, n) => ({
      type: "response.output_text.delta",
      sequence_number: n,
      item_id: "msg_1",
      output_index: 1,
      content_index: 0,
      delta
    })),
    { type: "keepalive", sequence_number: 99 },
    { type: "response.output_text.done", item_id: "msg_1", output_index: 1, content_index: 0, text },
    {
      type: "response.output_item.done",
      output_index: 1,
      item: { ...message, content: [{ type: "output_text", text, annotations: [] }] }
    },
    {
      type: "response.output_item.added",
      output_index: 2,
      item: { type: "function_call", id: "fc_1", call_id: "call_1", name: "ls", arguments: "", status: "in_progress" }
    },
    ...(args.match(/.{1,5}/gu) ?? []).map((delta) => ({
      type: "response.function_call_arguments.delta",
      item_id: "fc_1",
      output_index: 2,
      delta
    })),
    { type: "response.function_call_arguments.done", item_id: "fc_1", output_index: 2, arguments: args },
    {
      type: "response.output_item.done",
      output_index: 2,
      item: { type: "function_call", id: "fc_1", call_id: "call_1", name: "ls", arguments: args, status: "completed" }
    },
    {
      type: "response.completed",
      response: {
        id,
        status: "completed",
        model: "gpt-5.5",
        output: [],
        end_turn: false,
        usage: {
          input_tokens: 1000,
          input_tokens_details: { cached_tokens: 200, cache_write_tokens: 50 },
          output_tokens: 60,
          output_tokens_details: { reasoning_tokens: 10 },
          total_tokens: 1060
        }
      }
    }
  ]
}
