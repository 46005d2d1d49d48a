import { assert, describe, it } from "@effect/vitest"
import type { Item, ToolSpec } from "@effect-codex/schema"
import {
  History,
  Message,
  ModelCatalogue,
  Origin,
  OutputFormat,
  PromptPrefix,
  ResponsesRequest,
  Tool,
  TurnRequest
} from "@effect-codex/schema"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { fewer } from "../../../test/exhaustive.ts"
import { type Arbitrary, draw } from "../../../test/property.ts"

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
        include: ["reasoning.encrypted_content"],
        reasoning: { effort: "medium" },
        text: { verbosity: "low" },
        tool_choice: "auto"
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
      assert.isFalse("text" in sent || "service_tier" in sent || "reasoning" in sent)
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

describe("the defaults of the catalogue", () => {
  const models = [
    {
      slug: "m",
      supported_reasoning_levels: [{ effort: "low" }, { effort: "high" }],
      default_reasoning_level: "high",
      support_verbosity: true,
      default_verbosity: "medium",
      supports_image_detail_original: true
    },
    {
      slug: "n",
      supported_reasoning_levels: [{ effort: "low" }],
      default_reasoning_level: "ultra",
      support_verbosity: false,
      default_verbosity: "medium"
    }
  ]
  const url = "https://example.org/a.png"
  const call: Item.Item = { type: "function_call", call_id: "c", name: "f", arguments: "" }
  const input = [
    Message.user([{ _tag: "Image", url }]),
    call,
    Message.toolResult("c", [
      { _tag: "Image", url },
      { _tag: "Image", url, detail: "low" }
    ])
  ]
  const details = (sent: ResponsesRequest.ResponsesRequest) => JSON.stringify(sent.input).match(/"detail":"\w+"/g) ?? []

  it.effect("are sent where nothing else is asked for", () =>
    Effect.gen(function* () {
      const { body: sent, repairs } = yield* compile(
        { input, model: "m-2026", reasoning: { summary: "auto" } },
        { models }
      )
      assert.deepStrictEqual(sent.reasoning, { summary: "auto", effort: "high" })
      assert.deepStrictEqual(sent.text, { verbosity: "medium" })
      assert.strictEqual(sent.tool_choice, "auto")
      assert.deepStrictEqual(details(sent), ['"detail":"original"', '"detail":"original"', '"detail":"low"'])
      assert.deepStrictEqual(repairs, [])
    })
  )

  it.effect("give way to the request and to the client's defaults", () =>
    Effect.gen(function* () {
      const sent = yield* body(
        { input, model: "m", reasoning: { effort: "low" }, toolChoice: "none" },
        { models, verbosity: "high" }
      )
      assert.deepStrictEqual(sent.reasoning, { effort: "low" })
      assert.deepStrictEqual(sent.text, { verbosity: "high" })
      assert.strictEqual(sent.tool_choice, "none")
    })
  )

  it.effect("are only what the model has", () =>
    Effect.gen(function* () {
      const { body: sent, repairs } = yield* compile({ input, model: "n" }, { models })
      assert.deepStrictEqual(sent.reasoning, { effort: "low" })
      assert.isFalse("text" in sent)
      assert.deepStrictEqual(details(sent), ['"detail":"low"'])
      assert.deepStrictEqual(repairs, [])
      const unknown = yield* body({ prompt: "x", model: "new-model" })
      assert.isFalse("reasoning" in unknown || "text" in unknown)
    })
  )

  it.effect("are left to the server on request", () =>
    Effect.gen(function* () {
      const sent = yield* body({ input, model: "m" }, { models, catalogueDefaults: false })
      assert.isFalse("reasoning" in sent || "text" in sent || "tool_choice" in sent)
      assert.deepStrictEqual(details(sent), ['"detail":"low"'])
    })
  )
})

describe("outputs of tools", () => {
  const call: Item.Item = { type: "function_call", call_id: "c", name: "f", arguments: "" }
  const long = "x".repeat(100_000)
  const sent = (more: Partial<TurnRequest.Defaults>) =>
    Effect.map(compile({ input: [call, Message.toolResult("c", long)] }, more), ({ body, repairs }) => ({
      output: (body.input[1] as Item.FunctionCallOutputItem).output as string,
      repairs
    }))

  it.effect("are cut by the model's catalogue entry", () =>
    Effect.gen(function* () {
      const { output, repairs } = yield* sent({})
      assert.isAtMost(output.length, 40_000)
      assert.isAtLeast(output.length, 39_900)
      assert.match(output, /characters are left out here/)
      assert.deepStrictEqual(
        repairs.map((repair) => repair._tag),
        ["TextCut"]
      )
      const models = [{ slug: "gpt-5.5", truncation_policy: { mode: "bytes", limit: 1000 } }]
      assert.isAtMost((yield* sent({ models })).output.length, 1000)
    })
  )

  it.effect("are cut by a limit of the client, or not at all", () =>
    Effect.gen(function* () {
      assert.isAtMost((yield* sent({ toolOutputLimit: { mode: "tokens", limit: 100 } })).output.length, 400)
      assert.strictEqual((yield* sent({ toolOutputLimit: "none" })).output, long)
      for (const policy of [null, { mode: "lines", limit: 5 }, { mode: "bytes", limit: 0 }]) {
        const models = [{ slug: "gpt-5.5", truncation_policy: policy }]
        assert.strictEqual((yield* sent({ models })).output, long)
      }
    })
  )

  it.effect("have the same bytes in every request of a conversation", () =>
    Effect.gen(function* () {
      const input = [call, Message.toolResult("c", long)]
      const one = yield* body({ input })
      const two = yield* body({ input: [...input, user("and now?")] })
      assert.deepStrictEqual(two.input.slice(0, 2), one.input)
    })
  )
})

describe("encrypted reasoning", () => {
  const reasoning: Item.Item = { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gAAAA" }
  const said: Item.Item = { type: "message", role: "assistant", content: [{ type: "output_text", text: "a" }] }
  const input = Origin.tag([reasoning, said], Origin.toTag({ account: "acc-1", model: "gpt-5.5" }))

  it.effect("of another account is left out", () =>
    Effect.gen(function* () {
      const { body: sent, repairs } = yield* compile({ input, prompt: "on" }, { account: "acc-2" })
      assert.deepStrictEqual(sent.input, [said, user("on")])
      assert.deepStrictEqual(repairs, [{ _tag: "ReasoningDropped", index: 0, reason: "other_account" }])
    })
  )

  it.effect("is sent without its origin tag", () =>
    Effect.gen(function* () {
      const sent = yield* body({ input, prompt: "on" }, { account: "acc-1" })
      assert.isTrue(Origin.isFrom(sent.input[0] as Item.Item, { account: "acc-1", model: "gpt-5.5" }))
      const plain = yield* body({ input: [reasoning, said], prompt: "on" })
      assert.strictEqual(ResponsesRequest.toJson(sent), ResponsesRequest.toJson(plain))
      assert.strictEqual(
        JSON.stringify(Schema.encodeSync(ResponsesRequest.ResponsesRequest)(sent)),
        ResponsesRequest.toJson(plain)
      )
      assert.isUndefined(PromptPrefix.firstDifference(plain, sent))
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
        /model name is empty/,
        /65 characters/,
        /"stream" cannot be set/,
        /"store" cannot be set/
      ]
      assert.strictEqual(found.length, expected.length, found.join("\n"))
      expected.forEach((pattern, index) => assert.match(found[index] ?? "", pattern))
    })
  )

  it.effect("is said of a model that is not a string", () =>
    Effect.forEach([5, {}, ["gpt-5.5"], true], (model) =>
      Effect.map(problems({ prompt: "Hi", model: model as unknown as string }), (found) =>
        assert.deepStrictEqual(found, ["The model is not a string: give its name."])
      )
    )
  )

  it.effect("is in the message of one InvalidRequest", () =>
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

  const image = (url: string): TurnRequest.TurnRequest => ({
    input: [Message.user([Message.text("see"), { _tag: "Image", url }])]
  })

  it.effect.each([
    [
      "no URL",
      "iVBORw0KGgo",
      /Entry 0 of the input has a part 1 that cannot be sent\. The image .* its URL is neither/
    ],
    ["a file path", "/tmp/a.png", /neither an https: nor a data: URL/],
    ["a file: URL", "file:///tmp/a.png", /cannot read a file: URL; read the file/],
    ["not marked base64", "data:image/png,abc", /does not start like "data:image\//],
    ["no image type", "data:text/plain;base64,AQID", /media type is text\/plain; the backend reads image\/png/],
    ["SVG", "data:image/svg+xml;base64,PHN2Zz4=", /media type is image\/svg\+xml/],
    ["no comma", "data:image/png;base64", /does not start/],
    ["no data", "data:image/png;base64,", /holds no data/],
    ["no base64", "data:image/png;base64,%%%", /is not base64/],
    ["not what it says", "data:image/png;base64,AQID", /not an image of a known type/]
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
      yield* compile(image("data:image/png;charset=utf-8;base64,iVBORw0KGgo="))
      yield* compile({ input: [Message.user([yield* Message.documentData("AQID", "application/pdf")])] })
    })
  )

  it.effect("includes a bad document, but nothing nobody can change any more", () =>
    Effect.gen(function* () {
      const call: Item.Item = { type: "function_call", call_id: "c", name: "f", arguments: "" }
      const bad = { _tag: "Image", url: "nope" } as const
      const said: Item.Item = { type: "message", role: "assistant", content: [{ type: "output_text", text: "a" }] }
      const odd = { type: "function_call", call_id: "c", name: "f" } as unknown as Item.Item
      const { body: sent, repairs } = yield* compile({
        input: [Message.user([bad]), said, call, Message.toolResult("c", [bad]), odd],
        prompt: "go on"
      })
      assert.deepStrictEqual(
        repairs.map((repair) => [repair._tag, "index" in repair ? repair.index : undefined]),
        [
          ["ContentReplaced", 0],
          ["ContentReplaced", 3],
          ["FieldRepaired", 4],
          ["CallIdRewritten", 4],
          ["OutputAdded", 4]
        ]
      )
      assert.deepStrictEqual(History.validate(sent.input), [])
      const found = yield* problems({
        input: [said, Message.user([{ _tag: "Document", url: "ftp://example.org/a.pdf" }])]
      })
      assert.strictEqual(found.length, 1)
      assert.match(found[0] ?? "", /Entry 1 of the input has a part 0 that cannot be sent\. The document/)
    })
  )

  it.effect("includes values JSON cannot represent, at any position", () =>
    Effect.gen(function* () {
      const cyclic: Record<string, unknown> = {}
      cyclic["self"] = cyclic
      const found = yield* problems({
        input: [{ ...user("a"), note: 1n } as Item.Item],
        tools: [{ type: "function", name: "f", parameters: { default: Number.NaN } }],
        extra: { cyclic }
      })
      assert.deepStrictEqual(found, [
        'Entry 0 of the input has a field "note" that is a bigint, which JSON cannot hold.',
        "The request cannot be serialized to JSON: tools.0.parameters.default is NaN.",
        "The request cannot be serialized to JSON: extra.cyclic.self is a reference to itself."
      ])
      const format = { type: "json_schema", name: "a", schema: { default: 1n } } as const
      assert.match(
        (yield* problems({ prompt: "x", output: { format } }))[0] ?? "",
        /schema of "a" cannot be sent.*default.*big/is
      )
    })
  )

  it.effect("does not include unpaired surrogates, which are replaced wherever they are", () =>
    Effect.gen(function* () {
      const { body: sent, repairs } = yield* compile({
        prompt: "a\ud800",
        instructions: "b\udc00",
        tools: [{ type: "function", name: "f", description: "c\ud83d" }],
        extra: { note: ["d\ud800"] }
      })
      assert.notMatch(ResponsesRequest.toJson(sent), /\\ud[89a-f]/)
      assert.strictEqual(sent.instructions, "b\ufffd")
      assert.deepStrictEqual(repairs, [
        { _tag: "TextMadeWellFormed", index: 0 },
        { _tag: "ParameterMadeWellFormed", parameter: "instructions" },
        { _tag: "ParameterMadeWellFormed", parameter: "tools" },
        { _tag: "ParameterMadeWellFormed", parameter: "extra" }
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
      assert.match(found[0] ?? "", /"temperature" is not supported: sampling cannot be configured; set/)
      assert.match(found[1] ?? "", /"maxOutputTokens" is not supported: the backend cannot limit/)
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
      assert.match((yield* problems({ input: items }))[0] ?? "", /131073 items; at most 131072 are allowed/)
    })
  )
})

describe("the JSON text", () => {
  it.effect("is byte-identical for equal requests, in any key order", () =>
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
  "any request, typed or not, gives a body that passes the validator, or problems",
  [
    draw.record(
      {
        prompt: draw.constantFrom("", "hi"),
        model: draw.constantFrom("", "gpt-5.5", "gpt-6-sol", "x"),
        input: draw.array(
          draw.oneof(
            draw.constantFrom<History.Entry[]>(
              user("a"),
              user(""),
              Message.system("s"),
              Message.toolResult("c", "x"),
              Message.user([{ _tag: "Image", url: "u" }])
            ),
            draw.anything({ withBigInt: true }) as Arbitrary<never>
          )
        ),
        tools: draw.array(draw.oneof(draw.constantFrom(f), draw.anything() as Arbitrary<never>), { maxLength: 2 }),
        reasoning: draw.record({ effort: draw.constantFrom("none", "minimal", "high", "ultra", "odd") }),
        extra: draw.dictionary(draw.constantFrom("store", "x"), draw.anything({ withBigInt: true }))
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
  { fastCheck: { numRuns: fewer(500) } }
)
