import { assert, describe, it } from "@effect/vitest"
import type { Item, ToolSpec } from "@effect-codex/schema"
import {
  History,
  Message,
  ModelCatalogue,
  OutputFormat,
  ResponsesRequest,
  Tool,
  TurnRequest
} from "@effect-codex/schema"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"

const defaults: TurnRequest.Defaults = { model: "gpt-5.5" }

const compile = (request: TurnRequest.TurnRequest, more: Partial<TurnRequest.Defaults> = {}) =>
  TurnRequest.compile(request, { ...defaults, ...more })

const body = (request: TurnRequest.TurnRequest, more: Partial<TurnRequest.Defaults> = {}) =>
  Effect.map(compile(request, more), (compiled) => compiled.body)

const problems = (request: TurnRequest.TurnRequest, more: Partial<TurnRequest.Defaults> = {}) =>
  Effect.map(Effect.flip(compile(request, more)), (error) => error.problems ?? [])

const user = (text: string): Item.Item => ({ type: "message", role: "user", content: [{ type: "input_text", text }] })

const f: ToolSpec.ToolSpec = {
  type: "function",
  name: "f",
  strict: false,
  parameters: { type: "object", properties: {} }
}

describe("the body", () => {
  it.effect("of the smallest request has what the backend requires", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* body({ prompt: "Ping?" }), {
        model: "gpt-5.5",
        stream: true,
        store: false,
        instructions: "",
        input: [user("Ping?")],
        include: ["reasoning.encrypted_content"]
      })
    })
  )

  it.effect("uses instructions and omits system messages", () =>
    Effect.gen(function* () {
      const sent = yield* body({ input: [Message.system("Be brief."), Message.user("hi")] })
      assert.strictEqual(sent.instructions, "Be brief.")
      assert.deepStrictEqual(sent.input, [user("hi")])
      assert.notInclude(ResponsesRequest.toJson(sent), '"system"')
    })
  )

  it.effect("joins instructions with several system messages from the head by blank lines", () =>
    Effect.gen(function* () {
      const input = [Message.system("One."), Message.system("Two."), Message.user("hi")]
      assert.strictEqual((yield* body({ input })).instructions, "One.\n\nTwo.")
      assert.strictEqual((yield* body({ instructions: "Zero.", input })).instructions, "Zero.\n\nOne.\n\nTwo.")
      assert.strictEqual(
        (yield* body({ input }, { instructions: "Default." })).instructions,
        "Default.\n\nOne.\n\nTwo."
      )
      const both = yield* body({ instructions: "Mine.", prompt: "x" }, { instructions: "Default." })
      assert.strictEqual(both.instructions, "Mine.")
    })
  )

  it.effect("puts items and messages in the order given, then the prompt", () =>
    Effect.gen(function* () {
      const sent = yield* body({ prompt: "c", input: [user("a"), Message.user("b")] })
      assert.deepStrictEqual(sent.input, [user("a"), user("b"), user("c")])
    })
  )

  it.effect("has every parameter in its wire form", () =>
    Effect.gen(function* () {
      const output = yield* OutputFormat.make({ name: "answer", schema: Schema.Struct({ a: Schema.String }) })
      const sent = yield* body({
        prompt: "x",
        model: "gpt-6-sol",
        tools: [f, Tool.custom({ name: "note" })],
        toolChoice: { type: "function", name: "f" },
        parallelToolCalls: true,
        reasoning: { effort: "high", summary: "auto" },
        verbosity: "low",
        output,
        serviceTier: "priority",
        cacheKey: "conversation-1",
        clientMetadata: { turn_id: "t1" },
        extra: { stream_options: { reasoning_summary_delivery: "sequential_cutoff" } }
      })
      assert.deepStrictEqual(JSON.parse(ResponsesRequest.toJson(sent)), {
        model: "gpt-6-sol",
        stream: true,
        service_tier: "priority",
        instructions: "",
        input: [user("x")],
        tools: [f, { type: "custom", name: "note" }],
        tool_choice: { type: "function", name: "f" },
        parallel_tool_calls: true,
        reasoning: { effort: "high", summary: "auto" },
        store: false,
        include: ["reasoning.encrypted_content"],
        prompt_cache_key: "conversation-1",
        text: {
          verbosity: "low",
          format: {
            type: "json_schema",
            name: "answer",
            strict: true,
            schema: {
              type: "object",
              properties: { a: { type: "string" } },
              required: ["a"],
              additionalProperties: false
            }
          }
        },
        client_metadata: { turn_id: "t1" },
        stream_options: { reasoning_summary_delivery: "sequential_cutoff" }
      })
    })
  )

  it.effect("takes from the defaults what the request leaves out, key by key", () =>
    Effect.gen(function* () {
      const more: Partial<TurnRequest.Defaults> = {
        reasoning: { effort: "low", summary: "auto" },
        verbosity: "medium",
        serviceTier: "priority",
        parallelToolCalls: false
      }
      const sent = yield* body({ prompt: "x", reasoning: { effort: "high" } }, more)
      assert.deepStrictEqual(sent.reasoning, { effort: "high", summary: "auto" })
      assert.deepStrictEqual(sent.text, { verbosity: "medium" })
      assert.strictEqual(sent.service_tier, "priority")
      assert.strictEqual(sent.parallel_tool_calls, false)
    })
  )

  it.effect("replays a turn's items verbatim, followed by the outputs", () =>
    Effect.gen(function* () {
      const items: ReadonlyArray<Item.Item> = [
        user("List files"),
        { type: "reasoning", id: "rs_1", summary: [], content: null, encrypted_content: "gAAAA" },
        {
          type: "message",
          id: "msg_1",
          role: "assistant",
          status: "completed",
          phase: "commentary",
          content: [{ type: "output_text", text: "Looking.", annotations: [], logprobs: [] }]
        },
        { type: "function_call", id: "fc_1", call_id: "call_1", name: "ls", arguments: "", status: "completed" }
      ]
      const { body: sent, repairs } = yield* compile({
        input: [...items, Message.toolResult("call_1", "a.txt")]
      })
      assert.deepStrictEqual(repairs, [])
      assert.strictEqual(
        JSON.stringify(sent.input),
        JSON.stringify([...items, { type: "function_call_output", call_id: "call_1", output: "a.txt" }])
      )
    })
  )

  it.effect("reports what was repaired in the history", () =>
    Effect.gen(function* () {
      const { repairs } = yield* compile({ input: [user("a"), Message.system("late")], prompt: "b" })
      assert.deepStrictEqual(repairs, [{ _tag: "SystemMessageMoved", index: 1 }])
    })
  )
})

describe("the model's catalogue entry", () => {
  it.effect("decides the effort sent, and the change is reported", () =>
    Effect.gen(function* () {
      const { body: sent, repairs } = yield* compile({ prompt: "x", reasoning: { effort: "ultra" } })
      assert.deepStrictEqual(sent.reasoning, { effort: "xhigh" })
      assert.deepStrictEqual(repairs, [{ _tag: "EffortChanged", model: "gpt-5.5", requested: "ultra", sent: "xhigh" }])
    })
  )

  it.effect("decides whether verbosity and the priority tier are sent", () =>
    Effect.gen(function* () {
      const models = [{ slug: "m", support_verbosity: false, service_tiers: [] }]
      const request = { prompt: "x", model: "m", verbosity: "low", serviceTier: "priority" } as const
      const { body: sent, repairs } = yield* compile(request, { models })
      assert.isFalse("text" in sent || "service_tier" in sent)
      assert.deepStrictEqual(repairs, [
        { _tag: "VerbosityDropped", model: "m", requested: "low" },
        { _tag: "ServiceTierDropped", model: "m", requested: "priority" }
      ])
    })
  )

  it.effect("is not needed: an unknown model gets what was asked for", () =>
    Effect.gen(function* () {
      const request = { prompt: "x", model: "new-model", verbosity: "high", serviceTier: "priority" } as const
      const { body: sent, repairs } = yield* compile(request)
      assert.strictEqual(sent.model, "new-model")
      assert.deepStrictEqual(sent.text, { verbosity: "high" })
      assert.strictEqual(sent.service_tier, "priority")
      assert.deepStrictEqual(repairs, [])
    })
  )
})

describe("what is wrong", () => {
  it.effect("is named all at once", () =>
    Effect.gen(function* () {
      const found = yield* problems({
        prompt: "  ",
        model: "",
        tools: [f, f, { type: "function", name: "no spaces" }],
        toolChoice: { type: "function", name: "g" },
        cacheKey: "x".repeat(65),
        extra: { stream: false, store: true, temperature: 0 }
      })
      const expected = [
        /prompt is empty/,
        /"no spaces" is not allowed/,
        /Two tools are named "f"/,
        /names "g", which is not among/,
        /model has no name/,
        /65 characters/,
        /"stream" cannot be set/,
        /"store" cannot be set/
      ]
      assert.strictEqual(found.length, expected.length, found.join("\n"))
      expected.forEach((pattern, index) => assert.match(found[index] ?? "", pattern))
    })
  )

  it.effect("is told in the message of one InvalidRequest", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(compile({}))
      assert.strictEqual(error._tag, "InvalidRequest")
      assert.isFalse(error.isRetryable)
      assert.match(error.message, /There is no input: give a prompt, or messages and items\./)
    })
  )

  it.effect("includes a history of which nothing remains", () =>
    Effect.gen(function* () {
      assert.match((yield* problems({ input: [Message.system("only rules")] }))[0] ?? "", /no input/)
      assert.match((yield* problems({ input: [Message.user("")] }))[0] ?? "", /no input/)
    })
  )

  const image = (url: string) => ({ input: [Message.user([Message.text("see"), Message.image(url)])] })

  it.effect.each([
    ["no URL", "iVBORw0KGgo", /Part 1 of input item 0 is no image: its URL is neither/],
    ["a file path", "/tmp/a.png", /neither an https: nor a data: URL/],
    ["not marked base64", "data:image/png,abc", /does not begin with "data:image\//],
    ["no image type", "data:text/plain;base64,AQID", /does not begin with "data:image\//],
    ["no comma", "data:image/png;base64", /does not begin/],
    ["no data", "data:image/png;base64,", /holds no data/],
    ["no base64", "data:image/png;base64,%%%", /is not base64/]
  ] as const)("includes an image that is %s", ([, url, pattern]) =>
    Effect.gen(function* () {
      const found = yield* problems(image(url))
      assert.strictEqual(found.length, 1)
      assert.match(found[0] ?? "", pattern)
    })
  )

  it.effect("does not include good images, nor good documents", () =>
    Effect.gen(function* () {
      yield* compile(image("https://example.org/a.png"))
      yield* compile(image("data:image/svg+xml;charset=utf-8;base64,AQID"))
      yield* compile({ input: [Message.user([Message.documentData("AQID", "application/pdf")])] })
    })
  )

  it.effect("includes a bad image in a tool's output and a bad document", () =>
    Effect.gen(function* () {
      const call: Item.Item = { type: "function_call", call_id: "c", name: "f", arguments: "" }
      const found = yield* problems({
        input: [
          call,
          Message.toolResult("c", [Message.image("nope")]),
          Message.user([Message.document("ftp://example.org/a.pdf")])
        ]
      })
      assert.strictEqual(found.length, 2)
      assert.match(found[0] ?? "", /Part 0 of input item 1 is no image/)
      assert.match(found[1] ?? "", /Part 0 of input item 2 is no document/)
    })
  )

  it.effect("includes values no JSON can hold, wherever they are", () =>
    Effect.gen(function* () {
      const cyclic: Record<string, unknown> = {}
      cyclic["self"] = cyclic
      const found = yield* problems({
        input: [{ ...user("a"), note: 1n } as Item.Item],
        tools: [{ type: "function", name: "f", parameters: { default: Number.NaN } }],
        extra: { cyclic }
      })
      assert.deepStrictEqual(found, [
        "Input item 0 cannot be written as JSON: note is a bigint.",
        "Tool 0 cannot be written as JSON: parameters.default is NaN.",
        "extra cannot be written as JSON: cyclic.self is a reference to itself."
      ])
    })
  )

  it.effect("includes a tool choice without tools, and a choice among tools that are not there", () =>
    Effect.gen(function* () {
      assert.match((yield* problems({ prompt: "x", toolChoice: "required" }))[0] ?? "", /there is none/)
      const toolChoice = { type: "allowed_tools", mode: "auto", tools: [{ type: "function", name: "g" }] } as const
      assert.match((yield* problems({ prompt: "x", tools: [f], toolChoice }))[0] ?? "", /"g"/)
      yield* compile({ prompt: "x", tools: [{ type: "web_search" }], toolChoice: { type: "web_search" } })
    })
  )

  it.effect("includes parameters the backend refuses, with the reason", () =>
    Effect.gen(function* () {
      const request = { prompt: "x", temperature: 0.5, maxOutputTokens: 100, top_p: 1 }
      const found = yield* problems(request)
      assert.strictEqual(found.length, 3)
      assert.match(found[0] ?? "", /"temperature" cannot be asked for: the models sample by themselves; set/)
      assert.match(found[1] ?? "", /"maxOutputTokens" cannot be asked for: the backend has no cap/)
    })
  )

  it.effect("includes a summary of no reasoning", () =>
    Effect.gen(function* () {
      const found = yield* problems({ prompt: "x", reasoning: { effort: "none", summary: "auto" } })
      assert.match(found[0] ?? "", /leave one of them out/)
      const sent = yield* body({ prompt: "x", reasoning: { effort: "none" } }, { reasoning: { summary: "auto" } })
      assert.deepStrictEqual(sent.reasoning, { effort: "none" })
    })
  )

  it.effect("includes entries that are neither message nor item, beside all else", () =>
    Effect.gen(function* () {
      const misfits = [{ type: "message", role: "user" }, null, { role: "user", content: "hi" }, user("a")]
      const found = yield* problems({ input: misfits as never, cacheKey: "" })
      assert.deepStrictEqual(
        found.map((text) => text.split(" has ")[0]),
        ["Entry 0 of the input", "Entry 1 of the input", "Entry 2 of the input", "The cache key"]
      )
    })
  )

  it.effect("includes more items than a request may hold", () =>
    Effect.gen(function* () {
      const items = Array.from({ length: TurnRequest.maxItems + 1 }, () => user("a"))
      assert.match((yield* problems({ input: items }))[0] ?? "", /131073 items and may have 131072/)
    })
  )
})

describe("the JSON text", () => {
  it.effect("is the same bytes for the same request, whatever the order of its keys", () =>
    Effect.gen(function* () {
      const one = yield* body({ prompt: "x", verbosity: "low", tools: [f], extra: { b: 1, a: 2 } })
      const shuffled = Object.fromEntries(Object.entries(one).reverse()) as ResponsesRequest.ResponsesRequest
      const other = { ...shuffled, extra: { a: 2, b: 1 } }
      assert.strictEqual(ResponsesRequest.toJson(other), ResponsesRequest.toJson(one))
    })
  )

  it.effect("of a growing conversation begins with the same bytes", () =>
    Effect.gen(function* () {
      const head = (json: string) => json.slice(0, json.indexOf("]}]"))
      const first = ResponsesRequest.toJson(yield* body({ input: [user("a")], instructions: "i" }))
      const second = ResponsesRequest.toJson(yield* body({ input: [user("a"), user("b")], instructions: "i" }))
      assert.isTrue(second.startsWith(head(first)))
    })
  )

  it.effect("holds the keys of extra, and no undefined ones", () =>
    Effect.gen(function* () {
      const sent = yield* body({ prompt: "x", extra: { temperature: 0.5 } })
      assert.strictEqual(JSON.parse(ResponsesRequest.toJson(sent)).temperature, 0.5)
    })
  )

  it("cannot be made to stream or store otherwise by extra", () => {
    const sent = ResponsesRequest.make({ model: "m", input: [], extra: { stream: false, store: true, x: 1 } })
    const json = JSON.parse(ResponsesRequest.toJson(sent))
    assert.deepStrictEqual([json.stream, json.store, json.x], [true, false, 1])
  })

  it("is what encoding the schema gives, and decodes back", () => {
    const sent = ResponsesRequest.make({ model: "m", input: [user("a")], extra: { new_key: { a: 1 } } })
    const json = ResponsesRequest.toJson(sent)
    assert.strictEqual(JSON.stringify(Schema.encodeSync(ResponsesRequest.ResponsesRequest)(sent)), json)
    assert.deepStrictEqual(Schema.decodeUnknownSync(ResponsesRequest.ResponsesRequest)(JSON.parse(json)), sent)
  })

  it("has no field for what the backend refuses", () => {
    for (const name of ResponsesRequest.refusedParameters.keys()) assert.isFalse(ResponsesRequest.ownKeys.has(name))
  })
})

it.prop(
  "any request, typed or not, gives a body that passes the validator, or problems in words",
  [
    FastCheck.record(
      {
        prompt: FastCheck.constantFrom("", "hi"),
        model: FastCheck.constantFrom("", "gpt-5.5", "gpt-6-sol", "x"),
        input: FastCheck.array(
          FastCheck.oneof(
            FastCheck.constantFrom<History.Entry[]>(
              user("a"),
              user(""),
              Message.system("s"),
              Message.toolResult("c", "x"),
              Message.user([Message.image("u")])
            ),
            FastCheck.anything({ withBigInt: true }) as FastCheck.Arbitrary<never>
          )
        ),
        tools: FastCheck.array(
          FastCheck.oneof(FastCheck.constantFrom(f), FastCheck.anything() as FastCheck.Arbitrary<never>),
          { maxLength: 2 }
        ),
        reasoning: FastCheck.record({ effort: FastCheck.constantFrom("none", "minimal", "high", "ultra", "odd") }),
        extra: FastCheck.dictionary(FastCheck.constantFrom("store", "x"), FastCheck.anything({ withBigInt: true }))
      },
      { requiredKeys: [] }
    )
  ],
  ([request]) => {
    const result = Effect.runSync(Effect.either(compile(request, { models: ModelCatalogue.bundled })))
    if (result._tag === "Right") {
      assert.deepStrictEqual(History.validate(result.right.body.input), [])
      JSON.parse(ResponsesRequest.toJson(result.right.body))
    } else {
      assert.isAbove(result.left.problems?.length ?? 0, 0)
    }
  },
  { fastCheck: { numRuns: 500 } }
)
