/** The rules of the fold, one by one. */
import { assert, describe, it } from "@effect/vitest"
import type { TurnEvent } from "@effect-codex/schema"
import { TurnState } from "@effect-codex/stream"
import * as Redacted from "effect/Redacted"
import { decodeText, frames, realistic, shown } from "./support.ts"

type Wire = Readonly<Record<string, unknown>> & { readonly type: string }

const play = (...events: ReadonlyArray<Wire>) => decodeText(frames(events))

const completed = (response: object = {}): Wire => ({
  type: "response.completed",
  response: { id: "resp_1", ...response }
})
const added = (output_index: number, item: object): Wire => ({ type: "response.output_item.added", output_index, item })
const done = (output_index: number, item: object): Wire => ({ type: "response.output_item.done", output_index, item })
const delta = (text: string | null, place: object = { item_id: "msg_1", output_index: 0, content_index: 0 }): Wire => ({
  type: "response.output_text.delta",
  ...place,
  delta: text
})
const textDone = (text: string): Wire => ({
  type: "response.output_text.done",
  item_id: "msg_1",
  output_index: 0,
  content_index: 0,
  text
})
const message = (text: string, more: object = {}) => ({
  type: "message",
  id: "msg_1",
  role: "assistant",
  content: [{ type: "output_text", text, annotations: [] }],
  ...more
})
const call = (n: number, args: string, more: object = {}) => ({
  type: "function_call",
  id: `fc_${n}`,
  call_id: `call_${n}`,
  name: "ls",
  arguments: args,
  ...more
})
const callDelta = (output_index: number, text: string): Wire => ({
  type: "response.function_call_arguments.delta",
  output_index,
  delta: text
})

const tags = (events: ReadonlyArray<TurnEvent.TurnEvent>) => events.map((event) => event._tag)

describe("text", () => {
  const terminal = completed({ output: [message("Hello")] })
  it.each<readonly [string, ReadonlyArray<Wire>]>([
    ["deltas alone", [delta("Hel"), delta("lo"), completed()]],
    ["the done text alone", [textDone("Hello"), completed()]],
    ["the item alone", [done(0, message("Hello")), completed()]],
    ["the terminal output alone", [terminal]],
    ["all of them", [delta("Hel"), delta("lo"), textDone("Hello"), done(0, message("Hello")), terminal]],
    ["a delta lost", [delta("Hel"), textDone("Hello"), completed()]],
    ["no index and no id", [delta("Hel", {}), delta("lo", {}), done(0, message("Hello")), completed()]],
    [
      "an item without index",
      [delta("Hello", {}), { type: "response.output_item.done", item: message("Hello") }, completed()]
    ],
    ["empty and null deltas", [delta("Hel"), delta(""), delta(null), delta("lo"), completed()]],
    ["an index beyond sense", [delta("Hello", { output_index: 123_456_789 }), completed()]]
  ])("is shown once: %s", (_, events) => {
    const { events: all, turn } = play(...events)
    assert.strictEqual(turn?.text, "Hello")
    assert.strictEqual(shown(all), "Hello")
    assert.lengthOf(turn?.items ?? [], 1)
    assert.strictEqual(turn?.diagnostics.driftCount, 0)
  })

  it("a long text in small deltas is the same text", () => {
    const pieces = Array.from({ length: 5000 }, (_, n) => `${n} `)
    const { turn } = play(...pieces.map((piece) => delta(piece)), textDone(pieces.join("")), completed())
    assert.strictEqual(turn?.text, pieces.join(""))
    assert.strictEqual(turn?.diagnostics.driftCount, 0)
  })

  it("a done text that contradicts its deltas counts, is not shown twice, and is noted", () => {
    const { events, turn } = play(delta("Hallo"), textDone("Hello"), completed())
    assert.strictEqual(turn?.text, "Hello")
    assert.strictEqual(shown(events), "Hallo")
    assert.deepStrictEqual(turn?.diagnostics.drift, [
      { type: "response.output_text.done", field: "differs from its deltas" }
    ])
  })

  it("parts and items are in output order for any order of arrival", () => {
    const at = (output_index: number, content_index: number) => ({ output_index, content_index })
    const { turn } = play(
      delta("C", at(1, 0)),
      delta("B", at(0, 1)),
      delta("A", at(0, 0)),
      delta("c", at(1, 0)),
      completed()
    )
    assert.deepStrictEqual(
      turn?.blocks.map((block) => (block._tag === "Text" ? block.text : block._tag)),
      ["A", "B", "Cc"]
    )
    assert.strictEqual(turn?.text, "ABCc")
  })

  it("items that all claim the same index are all kept", () => {
    const one = message("one", { id: "msg_1" })
    const two = message("two", { id: "msg_2" })
    const { events, turn } = play(
      added(0, { ...one, content: [] }),
      delta("one"),
      done(0, one),
      done(0, one),
      added(0, { ...two, content: [] }),
      delta("two", { item_id: "msg_2", output_index: 0 }),
      done(0, two),
      done(0, call(1, "{}")),
      completed()
    )
    assert.deepStrictEqual(turn?.items as unknown, [one, two, call(1, "{}")])
    assert.strictEqual(turn?.text, "onetwo")
    assert.strictEqual(shown(events), "onetwo")
    assert.lengthOf(turn?.toolCalls ?? [], 1)
  })

  it("annotations and phase are kept", () => {
    const annotation = { type: "url_citation", url: "https://example.com" }
    const noted: Wire = { type: "response.output_text.annotation.added", output_index: 0, content_index: 0, annotation }
    for (const events of [
      [added(0, message("", { phase: "final_answer", content: [] })), delta("Hi"), noted, completed()],
      [
        delta("Hi"),
        noted,
        done(0, { ...message("Hi", { phase: "final_answer" }), content: [{ type: "output_text", text: "Hi" }] }),
        completed()
      ],
      [
        done(0, {
          ...message("Hi", { phase: "final_answer" }),
          content: [{ type: "output_text", text: "Hi", annotations: [annotation] }]
        }),
        completed()
      ]
    ]) {
      assert.deepStrictEqual(play(...events).turn?.blocks, [
        { _tag: "Text", outputIndex: 0, text: "Hi", phase: "final_answer", annotations: [annotation] }
      ])
    }
  })

  it("a refusal is a refusal, not text", () => {
    const refusal = (type: string, more: object): Wire => ({ type, output_index: 0, content_index: 0, ...more })
    const { events, turn } = play(
      refusal("response.refusal.delta", { delta: "I ca" }),
      refusal("response.refusal.done", { refusal: "I can't" }),
      done(0, message("", { content: [{ type: "refusal", refusal: "I can't" }] })),
      completed()
    )
    assert.strictEqual(turn?.refusal, "I can't")
    assert.strictEqual(turn?.text, "")
    assert.deepStrictEqual(
      events.flatMap((event) => (event._tag === "RefusalDelta" ? [event.delta] : [])),
      ["I ca", "n't"]
    )
  })
})

describe("reasoning", () => {
  const part = (kind: string, index: number, more: object): Wire => ({
    type: `response.reasoning_${kind}`,
    output_index: 0,
    [kind.startsWith("summary") ? "summary_index" : "content_index"]: index,
    ...more
  })

  it("summary and raw text are emitted once, with their parts", () => {
    const item = {
      type: "reasoning",
      id: "rs_1",
      summary: [
        { type: "summary_text", text: "ab" },
        { type: "summary_text", text: "c" }
      ],
      content: [{ type: "reasoning_text", text: "raw" }]
    }
    const { events, turn } = play(
      part("summary_text.delta", 0, { delta: "a" }),
      part("summary_text.delta", 0, { delta: "b" }),
      part("summary_text.done", 0, { text: "ab" }),
      part("summary_text.delta", 1, { delta: "c" }),
      part("text.delta", 0, { delta: "ra" }),
      part("text.done", 0, { text: "raw" }),
      done(0, item),
      completed()
    )
    assert.deepStrictEqual(turn?.blocks, [
      { _tag: "Reasoning", outputIndex: 0, summary: ["ab", "c"], content: ["raw"] }
    ])
    assert.deepStrictEqual(
      events.flatMap((event) => (event._tag === "ReasoningDelta" ? [[event.kind, event.part, event.delta]] : [])),
      [
        ["summary", 0, "a"],
        ["summary", 0, "b"],
        ["summary", 1, "c"],
        ["content", 0, "ra"],
        ["content", 0, "w"]
      ]
    )
    assert.deepStrictEqual(turn?.items as unknown, [item])
  })

  it("encrypted content is taken from the item, else from the terminal response", () => {
    const item = (more: object) => ({ type: "reasoning", id: "rs_1", summary: [], unknown_key: { a: 1 }, ...more })
    const last = completed({ output: [item({ encrypted_content: "from the end" })] })
    const begun = added(0, item({ encrypted_content: "at first" }))
    const own = play(begun, done(0, item({ encrypted_content: "its own" })), last)
    assert.deepStrictEqual(own.turn?.items as unknown, [item({ encrypted_content: "its own" })])
    const late = play(begun, done(0, item({ encrypted_content: null })), last)
    assert.deepStrictEqual(late.turn?.items as unknown, [item({ encrypted_content: "from the end" })])
  })
})

describe("tool calls", () => {
  const start = added(0, call(1, "", { status: "in_progress" }))

  it("arguments are shown once and kept as the model wrote them, valid or not", () => {
    for (const args of ['{"a":1}', "", '{"a":', "[]x"]) {
      const { events, turn } = play(
        start,
        ...(args === "" ? [] : [callDelta(0, args.slice(0, 2)), callDelta(0, args.slice(2))]),
        { type: "response.function_call_arguments.done", output_index: 0, arguments: args },
        done(0, call(1, args, { namespace: "fs" })),
        completed()
      )
      assert.deepStrictEqual(turn?.toolCalls, [
        { type: "function", callId: "call_1", name: "ls", namespace: "fs", arguments: args }
      ])
      assert.strictEqual(events.map((event) => (event._tag === "ToolCallDelta" ? event.delta : "")).join(""), args)
      assert.deepStrictEqual(
        tags(events).filter((tag) => tag === "ToolCallStarted" || tag === "ToolCallCompleted"),
        ["ToolCallStarted", "ToolCallCompleted"]
      )
    }
  })

  it("a custom tool's input is text", () => {
    const { turn } = play(
      added(0, { type: "custom_tool_call", id: "ct_1", call_id: "call_1", name: "patch", input: "" }),
      { type: "response.custom_tool_call_input.delta", output_index: 0, delta: "*** Begin" },
      { type: "response.custom_tool_call_input.done", output_index: 0, input: "*** Begin Patch" },
      completed()
    )
    assert.deepStrictEqual(turn?.toolCalls, [
      { type: "custom", callId: "call_1", name: "patch", arguments: "*** Begin Patch" }
    ])
    assert.deepStrictEqual(turn?.items as unknown, [
      { type: "custom_tool_call", id: "ct_1", call_id: "call_1", name: "patch", input: "*** Begin Patch" }
    ])
  })

  it("a call may be executed only after a completed turn", () => {
    const whole = [start, done(0, call(1, "{}"))]
    const open = [start, callDelta(0, "{")]
    const incomplete = (reason: string): Wire => ({
      type: "response.incomplete",
      response: { incomplete_details: { reason } }
    })
    const cut = play(...whole)
    assert.isUndefined(cut.turn)
    assert.lengthOf(cut.failure?.partial?.abandonedToolCalls ?? [], 1)
    const failed = play(...whole, { type: "response.failed", response: { error: { code: "server_error" } } })
    assert.lengthOf(failed.failure?.partial?.abandonedToolCalls ?? [], 1)
    for (const reason of ["max_output_tokens", "content_filter"]) {
      const { turn } = play(...whole, incomplete(reason))
      assert.strictEqual(turn?.status, "incomplete")
      assert.strictEqual(turn?.incompleteReason, reason)
      assert.isEmpty(turn?.toolCalls ?? [0])
      assert.lengthOf(turn?.abandonedToolCalls ?? [], 1)
    }
    const unfinished = play(...open, completed())
    assert.isEmpty(unfinished.turn?.toolCalls ?? [0])
    assert.lengthOf(unfinished.turn?.abandonedToolCalls ?? [], 1)
    assert.lengthOf(play(...whole, completed()).turn?.toolCalls ?? [], 1)
  })

  it("calls are in output order", () => {
    const { turn } = play(done(1, call(2, "{}")), done(0, call(1, "{}")), completed())
    assert.deepStrictEqual(
      turn?.toolCalls.map(({ callId }) => callId),
      ["call_1", "call_2"]
    )
  })
})

describe("other items and events", () => {
  it("hosted tools tell their progress and leave their item", () => {
    const item = { type: "web_search_call", id: "ws_1", status: "completed", action: { type: "search", query: "x" } }
    const at = { item_id: "ws_1", output_index: 0 }
    const { events, turn } = play(
      { type: "response.web_search_call.searching", ...at },
      { type: "response.web_search_call.completed", ...at },
      { type: "response.image_generation_call.partial_image", output_index: 1, partial_image_b64: "AAAA" },
      done(0, item),
      completed()
    )
    assert.deepStrictEqual(
      events.filter((event) => event._tag === "HostedToolProgress"),
      [
        { _tag: "HostedToolProgress", outputIndex: 0, tool: "web_search_call", stage: "searching" },
        { _tag: "HostedToolProgress", outputIndex: 0, tool: "web_search_call", stage: "completed" },
        {
          _tag: "HostedToolProgress",
          outputIndex: 1,
          tool: "image_generation_call",
          stage: "partial_image",
          delta: "AAAA"
        }
      ]
    )
    assert.deepStrictEqual(turn?.blocks[0], {
      _tag: "Item",
      outputIndex: 0,
      type: "web_search_call",
      status: "completed"
    })
    assert.deepStrictEqual(turn?.items as unknown, [item])
  })

  it("items and events of unknown types are kept and counted", () => {
    const item = { type: "from_the_future", id: "x_1", nested: { a: [1, null] } }
    const raw = { type: "response.from_the_future", a: 1 }
    const { events, turn } = play(done(0, item), raw, completed())
    assert.deepStrictEqual(turn?.items as unknown, [item])
    assert.deepStrictEqual(
      events.find((event) => event._tag === "UnknownEvent"),
      {
        _tag: "UnknownEvent",
        type: raw.type,
        raw
      }
    )
    assert.strictEqual(turn?.diagnostics.unknown, 1)
    assert.strictEqual(turn?.diagnostics.driftCount, 0)
  })

  it("an invalid field is recorded once, and decoding continues", () => {
    const { turn } = play(
      { type: "response.output_text.delta", output_index: 0, delta: 5 },
      { type: "response.output_text.delta", output_index: "0", delta: "Hi" },
      done(1, call(1, "{}", { call_id: 7 })),
      completed({ usage: { input_tokens: "many" } })
    )
    assert.strictEqual(turn?.text, "Hi")
    assert.isEmpty(turn?.toolCalls ?? [0])
    assert.isUndefined(turn?.usage)
    assert.deepStrictEqual(turn?.diagnostics.drift, [
      { type: "response.output_text.delta", field: "delta" },
      { type: "response.output_text.delta", field: "output_index" },
      { type: "response.output_item.done", field: "item.call_id" },
      { type: "response.completed", field: "response.usage.input_tokens" }
    ])
  })

  it("a long-lived difference is counted, but not listed forever", () => {
    const { turn } = play(...Array.from({ length: 100 }, (): Wire => ({ ...delta("x"), delta: 1 })), completed())
    assert.strictEqual(turn?.diagnostics.driftCount, 100)
    assert.lengthOf(turn?.diagnostics.drift ?? [], 20)
  })

  it("payloads that are not events are counted; [DONE] is not", () => {
    const body = 'data: keepalive\n\ndata: [1]\n\ndata: {"a":1}\n\ndata: null\n\ndata: [DONE]\n\n'
    const { turn } = decodeText(body + frames([completed()]))
    assert.strictEqual(turn?.diagnostics.malformed, 4)
  })

  it("an event whose type is only its SSE event name is decoded, and recorded", () => {
    const { turn } = decodeText('event: response.completed\ndata: {"response":{"id":"resp_1"}}\n\n')
    assert.strictEqual(turn?.responseId, "resp_1")
    assert.deepStrictEqual(turn?.diagnostics.drift, [{ type: "response.completed", field: "type" }])
  })
})

describe("the end", () => {
  it("end_turn, service tier, usage with cached and reasoning tokens, and the served model", () => {
    const { events, turn } = decodeText(frames(realistic()))
    assert.strictEqual(turn?.endTurn, false)
    assert.deepStrictEqual(turn?.usage, {
      inputTokens: 1000,
      cachedTokens: 200,
      cacheWriteTokens: 50,
      outputTokens: 60,
      reasoningTokens: 10,
      totalTokens: 1060
    })
    assert.deepStrictEqual(tags(events).slice(-2), ["UsageReported", "TurnCompleted"])
    const headers = { "OpenAI-Model": "gpt-served", "x-codex-turn-state": "sticky", "x-codex-primary-used-percent": 12 }
    for (const event of [
      { type: "response.metadata", headers },
      { type: "codex.response.metadata", headers },
      { type: "response.created", response: { id: "r", model: "gpt-asked", headers } },
      { ...added(0, message("")), headers }
    ]) {
      const { decoder, events, turn } = play(event, completed({ service_tier: "default" }))
      assert.strictEqual(turn?.model, "gpt-served")
      assert.strictEqual(turn?.serviceTier, "default")
      assert.isDefined(turn?.rateLimits)
      assert.include(tags(events), "RateLimitsUpdated")
      assert.strictEqual(decoder.state.routingToken && Redacted.value(decoder.state.routingToken), "sticky")
      const last = events.at(-1)
      assert.strictEqual(
        last?._tag === "TurnCompleted" && last.turn.routingToken && Redacted.value(last.turn.routingToken),
        "sticky"
      )
      assert.notInclude(JSON.stringify(events), "sticky")
    }
  })

  it("a failed or cancelled response is not completed, for any event type", () => {
    const failed = play({ type: "response.done", response: { status: "failed", error: { code: "server_error" } } })
    assert.strictEqual(failed.failure?._tag, "ResponseFailed")
    const cancelled = play(done(0, call(1, "{}")), { type: "response.done", response: { status: "cancelled" } })
    assert.strictEqual(cancelled.turn?.status, "incomplete")
    assert.strictEqual(cancelled.turn?.incompleteReason, "cancelled")
    assert.isEmpty(cancelled.turn?.toolCalls ?? [0])
  })

  it("a terminal event that cannot be read is a failure", () => {
    for (const body of [
      'data: {"type":"response.completed","response":"x"}\n\n',
      "event: response.completed\ndata: {\n\n",
      "event: response.done\ndata: 1\n\n"
    ]) {
      const { failure, turn } = decodeText(frames([delta("Hi")]) + body)
      assert.isUndefined(turn)
      assert.deepInclude(failure, { _tag: "InvalidEvent", reason: "malformed" })
      assert.strictEqual(failure?.partial?.text, "Hi")
    }
  })

  it("an error event ends the turn in each of its shapes", () => {
    for (const event of [
      { type: "error", code: "rate_limit_exceeded", message: "Please try again in 1.5s." },
      { type: "error", error: { code: "rate_limit_exceeded", message: "Please try again in 1.5s." } },
      {
        type: "response.error",
        error: { type: "rate_limit_exceeded", code: "rate_limit_exceeded", message: "try again in 1500ms" }
      },
      {
        type: "response.failed",
        response: { error: { code: "rate_limit_exceeded", message: "try again in 1.5 seconds" } }
      }
    ]) {
      const { failure } = play(delta("Hi"), event)
      assert.strictEqual(failure?._tag, "RateLimited")
      assert.strictEqual(failure?.retryAfterMillis, 1500)
      assert.strictEqual(failure?.partial?.text, "Hi")
    }
    assert.strictEqual(
      decodeText("event: error\ndata: upstream is down\n\n").failure?.serverMessage,
      "upstream is down"
    )
    const clock = decodeText(
      frames([{ type: "error", error: { code: "usage_limit_reached", plan_type: "plus", resets_in_seconds: 60 } }]),
      { now: () => 1_000 }
    ).failure
    assert.deepInclude(clock?._tag === "UsageLimit" ? { ...clock } : {}, { planType: "plus", resetsAt: 61_000 })
  })

  it("fold is a function of its events", () => {
    const events = realistic() as unknown as Parameters<typeof TurnState.fold>[0]
    const first = TurnState.fold(events)
    const second = TurnState.fold(events)
    assert.deepStrictEqual(first.events, second.events)
    assert.deepStrictEqual(first.state.outcome, second.state.outcome)
    assert.deepStrictEqual(first.events, decodeText(frames(realistic())).events)
  })
})
