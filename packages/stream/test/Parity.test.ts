/**
 * The rows of docs/parity.md that are about reading a turn: each test is one thing an older client did with the same
 * bytes, and what is done with them here.
 */
import { assert, describe, it } from "@effect/vitest"
import type { TurnEvent } from "@effect-codex/schema"
import { decodeText, frames, shown } from "./support.ts"

type Wire = { readonly type: string; readonly [key: string]: unknown }

const created: Wire = { type: "response.created", response: { id: "resp_1", model: "gpt-5.5" } }
const done = (output_index: number, item: object): Wire => ({ type: "response.output_item.done", output_index, item })
const completed = (more: object = {}): Wire => ({
  type: "response.completed",
  response: { id: "resp_1", status: "completed", output: [], ...more }
})
const message = (text: string) => ({
  type: "message",
  id: "msg_1",
  role: "assistant",
  phase: "final_answer",
  content: [{ type: "output_text", text, annotations: [] }]
})

const play = (...events: ReadonlyArray<Wire>) => decodeText(frames([created, ...events]))

const only = <Tag extends TurnEvent.TurnEvent["_tag"]>(events: ReadonlyArray<TurnEvent.TurnEvent>, tag: Tag) =>
  events.filter((event): event is Extract<TurnEvent.TurnEvent, { _tag: Tag }> => event._tag === tag)

describe("what the seed's stream tests show", () => {
  it("text deltas arrive one by one, and the terminal event ends the turn", () => {
    const delta = (delta: string): Wire => ({
      type: "response.output_text.delta",
      item_id: "msg_1",
      output_index: 0,
      content_index: 0,
      delta
    })
    const { events, turn } = play(delta("Hel"), delta("lo"), done(0, message("Hello")), completed())
    assert.deepStrictEqual(
      only(events, "TextDelta").map((event) => event.delta),
      ["Hel", "lo"]
    )
    assert.strictEqual(events.at(-1)?._tag, "TurnCompleted")
    assert.strictEqual(turn?.status, "completed")
    assert.strictEqual(turn?.text, "Hello")
  })

  it("a tool call is built from output_item.added and function_call_arguments.done", () => {
    const { events, turn } = play(
      {
        type: "response.output_item.added",
        output_index: 0,
        item: { type: "function_call", id: "fc_1", call_id: "call_1", name: "bash", arguments: "" }
      },
      { type: "response.function_call_arguments.delta", item_id: "fc_1", output_index: 0, delta: '{"command":' },
      {
        type: "response.function_call_arguments.done",
        item_id: "fc_1",
        output_index: 0,
        arguments: '{"command":"ls"}'
      },
      completed()
    )
    const call = { type: "function", callId: "call_1", name: "bash", arguments: '{"command":"ls"}' } as const
    assert.deepStrictEqual(turn?.toolCalls, [call])
    assert.deepStrictEqual(
      only(events, "ToolCallStarted").map(({ callId, name }) => [callId, name]),
      [["call_1", "bash"]]
    )
  })

  it("usage has its cached and reasoning tokens", () => {
    const { turn } = play(
      completed({
        usage: {
          input_tokens: 120,
          input_tokens_details: { cached_tokens: 100, cache_write_tokens: 15 },
          output_tokens: 30,
          output_tokens_details: { reasoning_tokens: 20 }
        }
      })
    )
    assert.deepStrictEqual(turn?.usage, {
      inputTokens: 120,
      cachedTokens: 100,
      cacheWriteTokens: 15,
      outputTokens: 30,
      reasoningTokens: 20,
      totalTokens: 150
    })
  })
})

describe("items", () => {
  it("keep id, phase and encrypted content, ready to be sent back (25, 28)", () => {
    const reasoning = { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gAAAA" }
    const { turn } = play(done(0, reasoning), done(1, message("Hi")), completed())
    assert.deepStrictEqual(turn?.items as ReadonlyArray<unknown>, [reasoning, message("Hi")])
  })

  it("a call that is only in output_item.done is not lost (30)", () => {
    const item = { type: "function_call", id: "fc_1", call_id: "call_1", name: "ls", arguments: "{}" }
    const { turn } = play(done(0, item), completed())
    assert.deepStrictEqual(
      turn?.toolCalls.map(({ callId, arguments: text }) => [callId, text]),
      [["call_1", "{}"]]
    )
  })

  it("arguments that are not JSON stay unchanged (31)", () => {
    const item = { type: "function_call", id: "fc_1", call_id: "call_1", name: "ls", arguments: '{"path":' }
    const { turn } = play(done(0, item), completed())
    assert.strictEqual(turn?.toolCalls[0]?.arguments, '{"path":')
  })

  it("custom tool calls are calls, and hosted tools are kept (23)", () => {
    const custom = { type: "custom_tool_call", id: "ctc_1", call_id: "call_1", name: "patch", input: "*** Begin" }
    const search = { type: "web_search_call", id: "ws_1", status: "completed", action: { type: "search", query: "x" } }
    const { events, turn } = play(
      { type: "response.web_search_call.searching", output_index: 0, item_id: "ws_1" },
      done(0, search),
      done(1, custom),
      completed()
    )
    assert.deepStrictEqual(
      turn?.toolCalls.map(({ type, arguments: text }) => [type, text]),
      [["custom", "*** Begin"]]
    )
    assert.deepStrictEqual(turn?.items as ReadonlyArray<unknown>, [search, custom])
    assert.deepStrictEqual(
      only(events, "HostedToolProgress").map(({ stage, tool }) => [tool, stage]),
      [["web_search_call", "searching"]]
    )
  })

  it("a refusal is delivered (32)", () => {
    const { events, turn } = play(
      { type: "response.refusal.delta", item_id: "msg_1", output_index: 0, content_index: 0, delta: "I cannot" },
      { type: "response.refusal.done", item_id: "msg_1", output_index: 0, content_index: 0, refusal: "I cannot." },
      completed()
    )
    assert.strictEqual(
      only(events, "RefusalDelta").reduce((text, event) => text + event.delta, ""),
      "I cannot."
    )
    assert.strictEqual(turn?.refusal, "I cannot.")
    assert.strictEqual(turn?.text, "")
  })

  it("the parts of a reasoning summary stay apart (33)", () => {
    const part = (summary_index: number, delta: string): Wire => ({
      type: "response.reasoning_summary_text.delta",
      item_id: "rs_1",
      output_index: 0,
      summary_index,
      delta
    })
    const { events, turn } = play(part(0, "First"), part(1, "Second"), completed())
    assert.deepStrictEqual(
      only(events, "ReasoningDelta").map((event) => [event.part, event.delta]),
      [
        [0, "First"],
        [1, "Second"]
      ]
    )
    assert.deepStrictEqual(
      turn?.blocks.map((block) => (block._tag === "Reasoning" ? block.summary : [])),
      [["First", "Second"]]
    )
  })
})

describe("framing", () => {
  const body = frames([created, done(0, message("Hello")), completed()])

  it.each([
    ["CRLF line ends", body.replaceAll("\n", "\r\n")],
    ["CR line ends", body.replaceAll("\n", "\r")],
    ["no space after the colon", body.replaceAll("data: ", "data:").replaceAll("event: ", "event:")],
    ["comments and a byte order mark", `\ufeff: hello\n\n${body.replaceAll("\n\n", "\n: ping\n\n")}`]
  ])("%s make no difference (34)", (_, bytes) => {
    const { failure, turn } = decodeText(bytes)
    assert.isUndefined(failure)
    assert.strictEqual(turn?.text, "Hello")
  })
})

describe("endings", () => {
  it.each(["max_output_tokens", "content_filter"])("response.incomplete with %s says so (35)", (reason) => {
    const call = { type: "function_call", id: "fc_1", call_id: "call_1", name: "rm", arguments: "{}" }
    const { turn } = play(done(0, call), {
      type: "response.incomplete",
      response: { id: "resp_1", status: "incomplete", incomplete_details: { reason } }
    })
    assert.strictEqual(turn?.status, "incomplete")
    assert.strictEqual(turn?.incompleteReason, reason)
    assert.deepStrictEqual(turn?.toolCalls, [])
    assert.strictEqual(turn?.abandonedToolCalls.length, 1)
  })

  it.each<[string, Wire]>([
    ["response.failed", { type: "response.failed", response: { error: { code: "context_length_exceeded" } } }],
    ["a flat error", { type: "error", code: "context_length_exceeded", message: "too long" }],
    ["a nested error", { type: "error", error: { code: "context_length_exceeded", message: "too long" } }]
  ])("%s keeps its code and what had arrived (36)", (_, ending) => {
    const { events, failure } = play(done(0, message("Half")), ending)
    assert.strictEqual(failure?._tag, "ContextWindowExceeded")
    if (failure?._tag !== "ContextWindowExceeded") return
    assert.strictEqual(failure.code, "context_length_exceeded")
    assert.strictEqual(failure.partial?.text, "Half")
    assert.strictEqual(shown(events), "Half")
  })

  it("a body that ends early is an error with the partial turn, never a turn (38)", () => {
    const { failure, turn } = play(done(0, message("Half")))
    assert.isUndefined(turn)
    assert.strictEqual(failure?._tag, "StreamTruncated")
    if (failure?._tag === "StreamTruncated") assert.strictEqual(failure.partial?.text, "Half")
  })

  it("two turns share nothing: the id belongs to its own result (47)", () => {
    const one = decodeText(frames([{ ...created, response: { id: "resp_a" } }, completed({ id: "resp_a" })]))
    const two = decodeText(frames([{ ...created, response: { id: "resp_b" } }, completed({ id: "resp_b" })]))
    assert.deepStrictEqual([one.turn?.responseId, two.turn?.responseId], ["resp_a", "resp_b"])
  })
})
