/** The decoder as a client drives it: bounds, single messages, progress, errors in other clothes. */
import { assert, describe, it } from "@effect/vitest"
import type { ResponseEvent } from "@effect-codex/schema"
import { TurnDecoder } from "@effect-codex/stream"
import { stepOf } from "../../../test/exhaustive.ts"
import { draw, forAll } from "../../../test/property.ts"
import { decode, decodeText, encode, frames, realistic, shown } from "./support.ts"

type Wire = Readonly<Record<string, unknown>> & { readonly type: string }

const completed: Wire = { type: "response.completed", response: { id: "resp_1", status: "completed", output: [] } }
const delta = (text: unknown, more: object = {}): Wire => ({
  type: "response.output_text.delta",
  item_id: "msg_1",
  output_index: 0,
  content_index: 0,
  delta: text,
  ...more
})
const created: Wire = { type: "response.created", response: { id: "resp_1", status: "in_progress" } }

describe("single messages", () => {
  const play = (messages: ReadonlyArray<string>, options?: TurnDecoder.Options) => {
    const decoder = new TurnDecoder.TurnDecoder(options)
    const events = [...messages.flatMap((message) => [...decoder.pushMessage(message)]), ...decoder.end()]
    return { events, decoder }
  }

  it("give what the same events give as a body", () => {
    const wire = realistic()
    const body = decodeText(frames(wire))
    const { decoder, events } = play(wire.map((event) => JSON.stringify(event)))
    assert.deepStrictEqual(events, body.events)
    assert.deepStrictEqual(decoder.turn, body.turn)
    assert.isTrue(decoder.done)
    forAll(
      [draw.array(draw.constantFrom(...wire), { maxLength: 20 })],
      (wire) => {
        const body = decodeText(frames(wire))
        const { decoder, events } = play(wire.map((event) => JSON.stringify(event)))
        assert.deepStrictEqual(events, body.events)
        assert.strictEqual(decoder.failure?._tag, body.failure?._tag)
      },
      { runs: 50 }
    )
  })

  it("are bounded, one by one and together", () => {
    const large = play([JSON.stringify(delta("x".repeat(500)))], { maxEventSize: 400 })
    assert.deepInclude(large.decoder.failure, { _tag: "InvalidEvent", reason: "tooLarge", limit: 400 })
    const many = play(
      Array.from({ length: 50 }, () => JSON.stringify(delta("x"))),
      { maxTurnSize: 2000 }
    )
    assert.deepInclude(many.decoder.failure, { _tag: "InvalidEvent", reason: "turnTooLarge", limit: 2000 })
    assert.isNotEmpty(many.decoder.failure?.partial?.text)
  })

  it("that are an error frame end the turn with its status, code and delay", () => {
    const error = { type: "usage_limit_reached", message: "used up", plan_type: "pro", resets_at: 1_795_400_000 }
    const headers = { "X-Codex-Primary-Used-Percent": 100.0, "x-codex-primary-window-minutes": "15" }
    const { decoder } = play([JSON.stringify({ type: "error", status: 429, error, headers })])
    assert.deepInclude(decoder.failure as object, {
      _tag: "UsageLimit",
      status: 429,
      code: "usage_limit_reached",
      planType: "pro",
      resetsAt: 1_795_400_000_000
    })
    assert.deepStrictEqual(decoder.state.rateLimits?.limits[0]?.windows, [{ usedPercent: 100, windowMinutes: 15 }])
    const busy = { type: "error", status_code: 429, error: { message: "slow down" }, headers: { "Retry-After": "7" } }
    const throttled = play([JSON.stringify(busy)]).decoder.failure
    assert.deepInclude(throttled as object, { _tag: "RateLimited", status: 429, retryAfterMillis: 7000 })
  })

  it("that are not JSON are counted, and nothing is read behind the end", () => {
    const { decoder, events } = play(["nonsense", JSON.stringify(completed), JSON.stringify(delta("late"))])
    assert.strictEqual(decoder.turn?.diagnostics.malformed, 1)
    assert.strictEqual(shown(events), "")
  })
})

describe("bounds that no honest server meets", () => {
  const body = (count: number, event: (n: number) => Wire) =>
    encode(frames(Array.from({ length: count }, (_, n) => event(n))))

  it("a turn larger than the limit is a typed error with the partial turn, for any chunking", () => {
    const bytes = encode(frames([delta("Hello"), ...Array.from({ length: 100 }, () => delta("x")), completed]))
    for (const size of [1, 100, 1500, bytes.length]) {
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
        bytes.subarray(n * size, (n + 1) * size)
      )
      const { events, failure } = decode(chunks, { maxTurnSize: 2000 })
      assert.deepInclude(failure, { _tag: "InvalidEvent", reason: "turnTooLarge", limit: 2000 })
      assert.isFalse(failure?.isRetryable)
      assert.isTrue(shown(events).startsWith("Hello"))
      assert.strictEqual(failure?.partial?.text, shown(events))
    }
    assert.isDefined(decode([bytes], { maxTurnSize: bytes.length }).turn)
  })

  it("limits above the maximum string length are reduced to it", () => {
    const decoder = new TurnDecoder.TurnDecoder({
      maxEventSize: Number.POSITIVE_INFINITY,
      maxTurnSize: Number.POSITIVE_INFINITY
    })
    // a chunk that claims more bytes than any text can have is not even decoded
    const chunk = Object.create(Uint8Array.prototype, {
      length: { value: 2 ** 33 },
      subarray: { value: () => encode(": ") }
    })
    decoder.push(chunk)
    assert.deepInclude(decoder.failure, { _tag: "InvalidEvent", reason: "turnTooLarge", limit: 0x1fffffe8 })
  })

  it("more items and parts than a request may hold are a typed error", () => {
    const kinds = [
      (n: number) => delta("x", { output_index: n, item_id: `msg_${n}` }),
      (n: number) => delta("x", { content_index: n }),
      (n: number): Wire => ({
        type: "response.reasoning_summary_text.delta",
        output_index: 0,
        summary_index: n,
        delta: "r"
      }),
      (n: number): Wire => ({
        type: "response.output_item.added",
        output_index: n,
        item: { type: "message", id: `m${n}` }
      }),
      (n: number): Wire => ({
        type: "response.output_text.annotation.added",
        output_index: 0,
        content_index: 0,
        annotation: n
      })
    ]
    for (const event of kinds.filter((_, n) => n % stepOf(kinds.length, 2) === 0)) {
      const decoder = new TurnDecoder.TurnDecoder()
      decoder.push(body(140_000, event))
      assert.deepInclude(decoder.failure, { _tag: "InvalidEvent", reason: "turnTooLarge" })
    }
  })

  it("an index of any size makes one part, and one item", () => {
    for (const index of [10_000, 2 ** 31 - 1, 2 ** 40, 1e300]) {
      const { turn } = decodeText(
        frames([
          { type: "response.reasoning_summary_text.delta", output_index: index, summary_index: index, delta: "r" },
          delta("Hi", { output_index: 3, content_index: index }),
          completed
        ])
      )
      assert.lengthOf(turn?.blocks ?? [], 2)
      assert.deepInclude(turn?.blocks.find((block) => block._tag === "Reasoning") as object, { summary: ["r"] })
      assert.strictEqual(turn?.text, "Hi")
    }
  })

  it("ever new names of limits stay within a handful, in events and in headers", () => {
    const limits = (name: string): Wire => ({
      type: "codex.rate_limits",
      limit_name: name,
      rate_limits: { primary: { used_percent: 5, window_minutes: 300 } }
    })
    const headers = (name: string): Wire => ({
      type: "response.metadata",
      headers: { [`x-${name}-primary-used-percent`]: "5", [`x-${name}-primary-window-minutes`]: "300" }
    })
    for (const event of [limits, headers]) {
      const { events, turn } = decodeText(
        frames([
          event("codex"),
          ...Array.from({ length: 500 }, (_, n) => event(`name${n}`)),
          limits("codex"),
          completed
        ])
      )
      const sizes = events.flatMap((event) =>
        event._tag === "RateLimitsUpdated" ? [event.rateLimits.limits.length] : []
      )
      assert.strictEqual(Math.max(...sizes), 64)
      assert.isTrue(turn?.rateLimits?.limits.some(({ limitId }) => limitId === "codex"))
    }
    const all = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`x-n${n}-primary-used-percent`, "5"]))
    assert.lengthOf(
      decodeText(frames([{ type: "response.metadata", headers: all }, completed])).turn?.rateLimits?.limits ?? [],
      64
    )
  })

  it("one event of very many lines is one text, joined", () => {
    const lines = 200_000
    const { decoder } = decodeText(`${"data: x\n".repeat(lines)}\n`)
    assert.strictEqual(decoder.state.diagnostics.malformed, 1)
    const json = JSON.stringify(completed).replaceAll(",", ",\n")
    const { turn } = decodeText(`data: ${json.replaceAll("\n", "\ndata: ")}\n\n`)
    assert.strictEqual(turn?.responseId, "resp_1")
    const bounded = decodeText("data: x\n".repeat(1000), { maxEventSize: 1500 })
    assert.deepInclude(bounded.failure, { _tag: "InvalidEvent", reason: "tooLarge" })
  })

  it("what is nested too deeply is a typed error where it would be kept, and skipped where it would only be shown", () => {
    const nest = (depth: number) => `${'{"a":['.repeat(depth)}1${"]}".repeat(depth)}`
    const deep = nest(50_000)
    for (const json of [
      `{"type":"response.output_item.added","output_index":0,"item":{"type":"message","a":${deep}}}`,
      `{"type":"response.output_item.done","output_index":0,"item":{"type":"from_the_future","a":${deep}}}`,
      `{"type":"response.output_text.annotation.added","output_index":0,"annotation":${deep}}`,
      `{"type":"response.completed","response":{"output":[{"type":"message","content":${deep}}]}}`,
      `{"type":"response.completed","response":{"usage_metadata":${deep}}}`
    ]) {
      const { failure } = decodeText(`${frames([delta("Hi")])}data: ${json}\n\n`)
      assert.deepInclude(failure, { _tag: "InvalidEvent", reason: "tooDeep" })
      assert.strictEqual(failure?.partial?.text, "Hi")
      // nothing deep is left in what a program may print
      assert.doesNotThrow(() => JSON.stringify(failure))
    }
    const skipped = decodeText(`data: {"type":"from_the_future","a":${deep}}\n\n${frames([completed])}`)
    assert.strictEqual(skipped.turn?.diagnostics.malformed, 1)
    assert.isFalse(skipped.events.some((event) => event._tag === "UnknownEvent"))
    for (const json of [
      `{"type":"response.completed","response":{"status":"completed","usage":{"input_tokens":1,"output_tokens":1,"x":${deep}}}}`,
      `{"type":"response.failed","response":{"error":{"code":"server_error","message":"x","a":${deep}}}}`,
      `{"type":"error","error":${deep}}`,
      `{"type":"codex.rate_limits","rate_limits":${deep}}`,
      `{"type":"response.created","response":{"headers":${deep}}}`,
      `{"error":${'{"error":'.repeat(50_000)}1${"}".repeat(50_000)}}`,
      `${deep}`
    ]) {
      const { failure, turn } = decodeText(`data: ${json}\n\n`)
      assert.doesNotThrow(() => JSON.stringify({ failure, turn }))
    }
  })
})

describe("progress", () => {
  const progressOf = (events: ReadonlyArray<object | string>): number => {
    const decoder = new TurnDecoder.TurnDecoder()
    decoder.push(encode(events.map((event) => (typeof event === "string" ? event : frames([event]))).join("")))
    return decoder.progress
  }

  it("increases only with progress of the turn", () => {
    const steps = realistic()
    const decoder = new TurnDecoder.TurnDecoder()
    let last = 0
    for (const event of steps) {
      decoder.push(encode(frames([event])))
      const type = String(event["type"])
      const says = /delta$|item|created|completed$/.test(type) && type !== "response.function_call_arguments.done"
      if (says) assert.isAbove(decoder.progress, last, type)
      last = decoder.progress
    }
  })

  it("does not grow with what keeps a connection open", () => {
    const limits = (n: number): Wire => ({
      type: "codex.rate_limits",
      rate_limits: { primary: { used_percent: n, window_minutes: 300 } }
    })
    const call: Wire = {
      type: "response.output_item.done",
      output_index: 1,
      item: { type: "function_call", id: "fc_1", call_id: "call_1", name: "ls", arguments: "{}" }
    }
    const before: ReadonlyArray<Wire> = [
      created,
      delta("Hi"),
      { ...delta("Hi"), type: "response.output_text.done", text: "Hi" },
      call
    ]
    const base = progressOf(before)
    assert.isAbove(base, 1)
    const idle: ReadonlyArray<(n: number) => object | string> = [
      () => ": ping\n\n",
      () => "data: [DONE]\n\n",
      () => "data: nonsense\n\n",
      () => "data: {}\n\n",
      () => "event: ping\n\n",
      () => ({ type: "keepalive" }),
      () => ({ type: "ping" }),
      () => ({ type: "codex.from_the_future" }),
      limits,
      (n) => ({ type: "response.metadata", headers: { "x-codex-primary-used-percent": n } }),
      (n) => ({ type: "codex.response.metadata", headers: { "x-codex-turn-state": `ts-${n}` } }),
      () => ({ type: "responsesapi.websocket_timing", timing_metrics: {} }),
      () => created,
      () => ({
        type: "response.in_progress",
        response: { id: "resp_1", headers: { "x-codex-primary-used-percent": 1 } }
      }),
      () => ({ type: "response.queued", response: {} }),
      () => delta(""),
      () => delta(null),
      () => ({ ...delta("Hi"), type: "response.output_text.done", text: "Hi" }),
      () => ({ ...delta("Hi"), type: "response.output_text.done", text: "" }),
      () => call,
      () => ({ ...call, item: { ...(call["item"] as object), arguments: "[]" } }),
      () => ({ type: "response.content_part.added", item_id: "msg_1", output_index: 0, content_index: 0, part: {} })
    ]
    for (const event of idle) {
      const many = Array.from({ length: 50 }, (_, n) => event(n))
      assert.strictEqual(progressOf([...before, ...many]), base, JSON.stringify(many[0]))
    }
  })
})

describe("an error in other clothes", () => {
  const failureOf = (body: string) => decodeText(`${frames([created, delta("Hi")])}${body}`).failure

  it.each<readonly [string, string, object]>([
    [
      "a code where the type should be",
      'event: error\ndata: {"type":"usage_limit_reached","message":"used up"}\n\n',
      { _tag: "UsageLimit", code: "usage_limit_reached", serverMessage: "used up" }
    ],
    ["the same without a name", 'data: {"type":"usage_limit_reached","message":"used up"}\n\n', { _tag: "UsageLimit" }],
    [
      "an unknown code where the type should be",
      'event: error\ndata: {"type":"very_new","message":"boom"}\n\n',
      { _tag: "ResponseFailed", serverMessage: "boom" }
    ],
    ["no type at all", 'data: {"error":{"type":"usage_limit_reached"}}\n\n', { _tag: "UsageLimit" }],
    ["no type, and a text", 'data: {"error":"boom"}\n\n', { _tag: "ResponseFailed", serverMessage: "boom" }],
    [
      "no type, behind the name of another event",
      'event: message\ndata: {"error":{"code":"model_not_found"}}\n\n',
      { _tag: "ModelUnavailable" }
    ],
    [
      "a list",
      'event: error\ndata: {"errors":[{"code":"insufficient_quota","message":"x"}]}\n\n',
      { _tag: "UsageLimit", reason: "quota" }
    ],
    [
      "an error in an error",
      'data: {"type":"error","error":{"type":"error","error":{"code":"slow_down"}}}\n\n',
      { _tag: "ServerOverloaded" }
    ],
    [
      "a detail",
      'data: {"type":"error","detail":{"code":"context_length_exceeded","message":"x"}}\n\n',
      { _tag: "ContextWindowExceeded" }
    ],
    ["a number as its code", 'data: {"error":{"code":429,"message":"slow"}}\n\n', { _tag: "RateLimited", status: 429 }],
    [
      "a failed response with the error beside it",
      'data: {"type":"response.failed","error":{"code":"invalid_prompt","message":"x"}}\n\n',
      { _tag: "InvalidRequest" }
    ],
    [
      "a failed response with a text",
      'data: {"type":"response.failed","response":{"error":"boom"}}\n\n',
      { _tag: "ResponseFailed", serverMessage: "boom" }
    ],
    [
      "a failed response with details",
      'data: {"type":"response.failed","response":{"status_details":{"error":{"code":"slow_down"}}}}\n\n',
      { _tag: "ServerOverloaded" }
    ],
    [
      "a completed response with an error",
      'data: {"type":"response.completed","response":{"status":"completed","error":{"code":"invalid_prompt"}}}\n\n',
      { _tag: "InvalidRequest" }
    ],
    [
      "a proxy's words behind half an event",
      'data: {"type":"response.output_text.delta","del{"error":{"code":"slow_down","message":"x"}}\n\n',
      { _tag: "ServerOverloaded", serverMessage: "x" }
    ],
    [
      "the same on a line of its own",
      'data: {"type":"response.output_text.delta","del\ndata: {"error":{"code":"slow_down"}}\n\n',
      { _tag: "ServerOverloaded" }
    ],
    [
      "the same as plain JSON",
      'data: {"type":"response.output_text.delta","del\n{"error":{"code":"slow_down"}}',
      { _tag: "ServerOverloaded" }
    ],
    ...[
      '{"type": "error", "code": "slow_down", "message": "x"}',
      '{"code":"slow_down","message":"x"}',
      '{ "errors": [{"code":"slow_down","message":"x"}] }',
      '{"status":503,"message":"x"}',
      '{"message":"x","error":{"code":"slow_down","metadata":{"type":"y"}}}'
    ].map(
      (error) =>
        [
          `the same, written as ${error}`,
          `data: {"type":"response.output_text.delta","del${error}\n\n`,
          { _tag: "ServerOverloaded", serverMessage: "x" }
        ] as const
    ),
    ["a body cut before its blank line", 'data: {"error":{"code":"slow_down"}}', { _tag: "ServerOverloaded" }]
  ])("is read: %s", (_, body, expected) => {
    const failure = failureOf(body)
    assert.deepInclude(failure as object, expected)
    assert.strictEqual(failure?.partial?.text, "Hi")
  })

  it.each<readonly [string, string, object]>([
    [
      "an object",
      '{"error":{"code":"model_not_found","message":"no such model"}}',
      { _tag: "ModelUnavailable", serverMessage: "no such model" }
    ],
    [
      "written out over lines",
      JSON.stringify({ error: { code: "insufficient_quota", message: "x" } }, null, 2),
      { _tag: "UsageLimit" }
    ],
    [
      "a detail",
      '{"detail":"Unsupported parameter: user"}',
      { _tag: "ResponseFailed", serverMessage: "Unsupported parameter: user" }
    ],
    ["behind half an event", 'data: {"type":"resp\n{"error":{"code":"slow_down"}}\n', { _tag: "ServerOverloaded" }]
  ])("as a body that is no event stream: %s", (_, body, expected) => {
    assert.deepInclude(decodeText(body).failure as object, expected)
  })

  it.each<readonly [string, string, object]>([
    ["words beside a code", '{"message":"used up","code":"usage_limit_reached"}', { _tag: "UsageLimit" }],
    ["a code alone", '{"code":"usage_limit_reached"}', { _tag: "UsageLimit" }],
    ["a status and words", '{"status":429,"message":"slow"}', { _tag: "RateLimited", serverMessage: "slow" }],
    ["a text that is a code", '{"error":"usage_limit_reached"}', { _tag: "UsageLimit", code: "usage_limit_reached" }],
    [
      "a code with a description",
      '{"error":"invalid_token","error_description":"It is bad"}',
      { code: "invalid_token", serverMessage: "It is bad" }
    ],
    ["JSON in a text", '{"error":"{\\"code\\":\\"slow_down\\"}"}', { _tag: "ServerOverloaded", code: "slow_down" }],
    ["a list under another key", '{"success":false,"errors":[{"message":"no"}]}', { serverMessage: "no" }],
    ["a status that is final", '{"type":"error","status":400,"error":{"message":"no"}}', { _tag: "InvalidRequest" }],
    ["a status as text", '{"type":"error","status_code":"403"}', { _tag: "AccessDenied", status: 403 }],
    [
      "times as texts",
      '{"error":{"type":"usage_limit_reached","resets_at":"1795400000"}}',
      { resetsAt: 1_795_400_000_000 }
    ]
  ])("%s", (_, data, expected) => {
    const { failure } = decodeText(`${frames([created, delta("Hi")])}data: ${data}\n\n`)
    assert.deepInclude({ ...failure }, expected)
  })

  it("is no part of an event that was cut off", () => {
    const item = 'data: {"type":"response.output_item.done","item":{"type":"message","message":"w"}'
    for (const body of [item, `${item}\n\n`]) assert.strictEqual(failureOf(body)?._tag, "StreamTruncated")
  })

  it.each([
    ["plain text", "data: upstream connect error\n\n", "upstream connect error"],
    ["a page", "data: <html><title>502 Bad Gateway</title></html>\n\n", "502 Bad Gateway"],
    [
      "a page behind half an event",
      `${frames([created])}data: {"type":"resp\n<html><title>502 Bad Gateway</title></html>`,
      "502 Bad Gateway"
    ],
    ["a detail", `${frames([created])}data: {"detail":"It is gone."}\n\n: bye\n\n`, "It is gone."],
    ["a detail, and more events", `data: {"detail":"No."}\n\n${frames([created])}`, undefined],
    ["a word that keeps the connection open", "data: keepalive\n\n", undefined],
    ["half an event", 'data: {"type": "resp\n\n', undefined],
    ["half an event over lines", `${frames([created])}data: {"type":"resp\nwords of the model`, undefined]
  ])("has its words in a stream that ends too early: %s", (_, body, words) => {
    const { failure } = decodeText(body)
    assert.strictEqual(failure?._tag, "StreamTruncated")
    assert.strictEqual(failure?.serverMessage, words)
  })

  it("announces a reset of a plan's limit only if it is to come, by the error or else by the window", () => {
    const now = 1_795_000_000_000
    const reset = (error: object, window: object) => {
      const decoder = new TurnDecoder.TurnDecoder({ now: () => now })
      const limits = { type: "codex.rate_limits", rate_limits: { primary: { used_percent: 100, ...window } } }
      decoder.push(encode(frames([limits, { type: "error", error: { code: "usage_limit_reached", ...error } }])))
      const { failure } = decoder
      return failure?._tag === "UsageLimit" ? failure.resetsAt : failure
    }
    const later = now / 1000 + 60
    assert.strictEqual(reset({ resets_at: later }, {}), later * 1000)
    assert.strictEqual(reset({}, { reset_at: later }), later * 1000)
    assert.isUndefined(reset({ resets_at: now / 1000 - 60 }, { reset_at: later }))
    assert.isUndefined(reset({ resets_in_seconds: 0 }, {}))
    assert.isUndefined(reset({}, { used_percent: 50, reset_at: later }))
  })

  it.each([
    ["a detail", '{"detail":"Unsupported parameter: x"}', "Unsupported parameter: x"],
    ["a list", '[{"error":{"message":"no"}}]', "no"],
    ["words", '{"message":"no"}', "no"]
  ])("explains a body without any event: %s", (_, data, words) => {
    for (const body of [data, `data: ${data}\n\n`, `\uFEFF${data}`]) {
      const { failure } = decodeText(body)
      assert.deepInclude({ ...failure }, { _tag: "ResponseFailed", serverMessage: words })
    }
  })

  it.each<readonly [object, number | undefined]>([
    [{ "retry-after": "5" }, 5000],
    [{ "Retry-After": ["5"] }, 5000],
    [{ "retry-after-ms": "", "retry-after": 5 }, 5000],
    [{ "retry-after": "Thu, 01 Jan 1970 00:00:09 GMT" }, 8000],
    [{ "retry-after": "" }, undefined],
    [{ "retry-after": "1e400" }, undefined],
    [{ "retry-after": "9".repeat(30) }, 8_640_000_000_000_000]
  ])("asks for a wait in its headers: %j", (headers, expected) => {
    const error = { code: "rate_limit_exceeded" }
    for (const event of [
      { type: "error", headers, error },
      { type: "error", error: { ...error, headers } },
      { type: "response.failed", headers, response: { error } },
      { type: "response.failed", response: { headers, error } }
    ]) {
      assert.strictEqual(decodeText(frames([event]), { now: () => 1000 }).failure?.retryAfterMillis, expected)
    }
  })

  it.each([
    ["rate_limit_exceeded", "try again in 3.2s", 3200],
    ["slow_down", "Please try again in 3.2s", 3200],
    ["server_is_overloaded", "try again in 2 minutes", 120_000],
    ["server_error", "try again in 3.2s", undefined]
  ])("asks for a wait in its words: %s", (code, message, expected) => {
    const { failure } = decodeText(frames([{ type: "response.failed", response: { error: { code, message } } }]))
    assert.strictEqual(failure?.retryAfterMillis, expected)
  })

  it("is not seen where there is none", () => {
    for (const body of [
      'data: {"type":"response.web_search_call.failed","error":{"code":"x"}}\n\n',
      'data: {"type":"codex.from_the_future","error":{"code":"x"}}\n\n',
      'data: {"error":null}\n\n',
      'data: {"detail":"of something"}\n\n'
    ]) {
      const { failure, turn } = decodeText(body + frames([completed]))
      assert.isUndefined(failure)
      assert.strictEqual(turn?.status, "completed")
    }
    const quoted = frames([delta('He wrote {"error":{"code":"slow_down"}}'), completed])
    assert.isUndefined(decodeText(quoted).failure)
  })

  it("that is a page is left for the caller to read", () => {
    const page = "<!DOCTYPE html>\n<title>Just a moment...</title>\n<p>data: none</p>"
    const { decoder, failure } = decodeText(page)
    assert.strictEqual(failure?._tag, "StreamTruncated")
    assert.strictEqual(decoder.strayText.trim(), page)
    const long = new TurnDecoder.TurnDecoder()
    for (let n = 0; n < 300; n++) long.push(encode(`${"x".repeat(1000)}\n`))
    assert.isBelow(long.strayText.length, 70_000)
  })
})

describe("what the turn's events leave out", () => {
  it("is there for who asks for the wire's events", () => {
    const wire: Array<ResponseEvent.ResponseEvent> = []
    const events = realistic().map((event, n) => ({ ...event, sequence_number: n, logprobs: [n], from_the_future: n }))
    const { turn } = decodeText(frames(events), { onWireEvent: (event) => wire.push(event) })
    assert.deepStrictEqual(wire as unknown, events)
    assert.deepStrictEqual(turn, decodeText(frames(events)).turn)
  })

  it("is kept of the terminal response and of the usage", () => {
    const usage = {
      input_tokens: 10,
      input_tokens_details: { cached_tokens: 4, audio_tokens: 1 },
      output_tokens: 5,
      output_tokens_details: { reasoning_tokens: 2 },
      total_tokens: 15,
      codex_rollout_budget_units: 7,
      attribution: { a: 1 }
    }
    const response = {
      id: "resp_1",
      status: "completed",
      instructions: "You are …",
      tools: [{ type: "function" }],
      error: null,
      usage,
      usage_metadata: { b: [2] },
      metadata: { c: "3" }
    }
    const { turn } = decodeText(frames([{ type: "response.completed", response }]))
    assert.deepStrictEqual(turn?.extra, { usage_metadata: { b: [2] }, metadata: { c: "3" } })
    assert.deepStrictEqual(turn?.usage, {
      inputTokens: 10,
      cachedTokens: 4,
      cacheWriteTokens: 0,
      outputTokens: 5,
      reasoningTokens: 2,
      totalTokens: 15,
      extra: { input_tokens_details: { audio_tokens: 1 }, codex_rollout_budget_units: 7, attribution: { a: 1 } }
    })
  })

  it("the usage of a failed response is reported as well", () => {
    const response = { status: "failed", error: { code: "server_error" }, usage: { input_tokens: 1, output_tokens: 2 } }
    const { failure } = decodeText(frames([{ type: "response.failed", response }]))
    assert.strictEqual(failure?.partial?.usage?.totalTokens, 3)
  })
})

describe("the output of a shell", () => {
  it("is reported by its channel", () => {
    const event = (delta: unknown): Wire => ({
      type: "response.shell_call_output_content.delta",
      output_index: 0,
      delta
    })
    const { events, turn } = decodeText(
      frames([event({ stdout: "a\n", stderr: "b" }), event({ stdout: "c" }), event("d"), event({}), completed])
    )
    assert.deepStrictEqual(
      events.flatMap((event) => (event._tag === "HostedToolProgress" ? [[event.delta, event.channel]] : [])),
      [
        ["a\n", "stdout"],
        ["b", "stderr"],
        ["c", "stdout"],
        ["d", undefined],
        [undefined, undefined]
      ]
    )
    assert.strictEqual(turn?.diagnostics.driftCount, 0)
  })
})
