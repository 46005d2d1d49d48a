/** What a prompt, a toolkit and the settings become in the request, and what a turn becomes in the response. */
import { Chat, LanguageModel, Model, Prompt, type Response, Telemetry, Tool, Toolkit } from "@effect/ai"
import { assert, describe, it } from "@effect/vitest"
import { CodexLanguageModel, CodexTool } from "@effect-codex/ai"
import { Script, TestCodex } from "@effect-codex/testing"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import { handlers, outline, sent, tools } from "./support.ts"

const layer = (script: Script.Script, options?: CodexLanguageModel.Options) =>
  Layer.provideMerge(
    CodexLanguageModel.layer(options),
    TestCodex.layer(script, { retry: { retries: 0, outageRetries: 0 } })
  )

const said = (text: string) => [Script.turn({ text })]

const bodyOf = (n = 0) => Effect.map(sent, (requests) => requests[n]?.body as Record<string, unknown>)

const finishOf = (parts: ReadonlyArray<Response.AnyPart>) =>
  parts.flatMap((part) => (part.type === "finish" ? [part] : []))[0]

const png = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0])

describe("the prompt", () => {
  it.effect("system messages at the head are instructions, later ones stay in their place", () =>
    Effect.gen(function* () {
      yield* LanguageModel.generateText({
        prompt: [
          { role: "system", content: "Be brief." },
          { role: "user", content: "Hi" },
          { role: "system", content: "Now in verse." },
          { role: "user", content: "Again" }
        ]
      })
      const [request] = yield* sent
      assert.strictEqual(request?.instructions, "You are kind.\n\nBe brief.")
      assert.strictEqual(outline(request?.input ?? []), "user developer user")
    }).pipe(Effect.provide(layer(said("Hello"), { config: { instructions: "You are kind." } })))
  )

  it.effect("images and documents are sent as such", () =>
    Effect.gen(function* () {
      const file = (mediaType: string, data: string | Uint8Array | URL, options = {}) =>
        Prompt.makePart("file", { mediaType, data, fileName: "a.pdf", options })
      yield* LanguageModel.generateText({
        prompt: Prompt.fromMessages([
          Prompt.makeMessage("user", {
            content: [
              Prompt.makePart("text", { text: "What are these?" }),
              file("image/png", png, { codex: { imageDetail: "low" } }),
              file("image/*", new URL("https://example.org/a.png")),
              file("application/pdf", "JVBERi0xLjQK")
            ]
          })
        ])
      })
      const [message] = (yield* sent)[0]?.input ?? []
      const content = (message as unknown as { readonly content: ReadonlyArray<Record<string, unknown>> }).content
      assert.deepStrictEqual(
        content.map(({ type }) => type),
        ["input_text", "input_image", "input_image", "input_file"]
      )
      assert.strictEqual(content[1]?.["detail"], "low")
      assert.match(String(content[1]?.["image_url"]), /^data:image\/png;base64,/)
      assert.strictEqual(content[2]?.["image_url"], "https://example.org/a.png")
      assert.strictEqual(content[3]?.["filename"], "a.pdf")
    }).pipe(Effect.provide(layer(said("A picture."))))
  )

  it.effect("that the backend would refuse is MalformedInput, and nothing is sent", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        LanguageModel.generateText({
          prompt: [{ role: "user", content: [{ type: "file", mediaType: "image/png", data: "file:///etc/passwd" }] }]
        })
      )
      assert.strictEqual(error._tag, "MalformedInput")
      const cause = Option.getOrUndefined(CodexLanguageModel.codexError(error))
      assert.strictEqual(cause?._tag, "InvalidRequest")
      assert.deepStrictEqual(yield* sent, [])
    }).pipe(Effect.provide(layer([])))
  )

  it.effect("results and parameters that JSON cannot hold are told in words", () =>
    Effect.gen(function* () {
      const cyclic: Record<string, unknown> = {}
      cyclic["self"] = cyclic
      const deep = Array.from({ length: 100_000 }).reduce<unknown>((inner) => [inner], 1)
      const throwing = {
        toJSON: () => {
          throw new Error("boom")
        }
      }
      for (const odd of [cyclic, { n: 1n }, deep, throwing]) {
        const id = "call_1"
        const asked = Prompt.makePart("tool-call", { id, name: "weather", params: odd, providerExecuted: false })
        const answer = { id, name: "weather", result: odd, isFailure: false, providerExecuted: false }
        yield* LanguageModel.generateText({
          prompt: Prompt.fromMessages([
            Prompt.makeMessage("user", { content: [Prompt.makePart("text", { text: "Go" })] }),
            Prompt.makeMessage("assistant", { content: [asked] }),
            Prompt.makeMessage("tool", { content: [Prompt.makePart("tool-result", answer)] })
          ])
        })
      }
      for (const { input } of yield* sent) {
        assert.strictEqual(outline(input), "user call:weather output")
        assert.deepInclude(input[1], { arguments: "{}" })
        assert.deepInclude(input[2], {
          output: "The result of the tool cannot be shown: it cannot be written as JSON."
        })
      }
    }).pipe(Effect.provide(layer(Script.always(Script.turn({ text: "Hello" })))))
  )

  it.effect("results that stock providers lost go back in their place: provider-executed calls are not answered", () =>
    Effect.gen(function* () {
      const call = { id: "ws_1", name: "web_search", providerExecuted: true } as const
      yield* LanguageModel.generateText({
        prompt: [
          { role: "user", content: "Hi" },
          {
            role: "assistant",
            content: [
              { type: "tool-call", ...call, params: {} },
              { type: "tool-result", ...call, isFailure: false, result: {} },
              { type: "text", text: "Found." }
            ]
          },
          { role: "tool", content: [{ type: "tool-result", ...call, isFailure: false, result: {} }] },
          { role: "user", content: "Go on" }
        ]
      })
      assert.strictEqual(outline((yield* sent)[0]?.input ?? []), "user assistant user")
    }).pipe(Effect.provide(layer(said("Done."))))
  )
})

describe("tools", () => {
  const toolkit = Toolkit.make(
    ...Object.values(tools.tools),
    CodexTool.webSearch({ search_context_size: "low" }),
    CodexTool.imageGeneration({ output_format: "webp" }),
    CodexTool.custom("sql", { description: "One query.", format: { type: "text" } }),
    CodexTool.localShell({})
  )
  const choices: ReadonlyArray<readonly [LanguageModel.ToolChoice<string>, unknown]> = [
    ["auto", "auto"],
    ["none", "none"],
    ["required", "required"],
    [{ tool: "weather" }, { type: "function", name: "weather" }],
    [{ tool: "sql" }, { type: "custom", name: "sql" }],
    [{ tool: "CodexWebSearch" }, { type: "web_search" }],
    [{ tool: "CodexImageGeneration" }, { type: "image_generation" }],
    [{ tool: "CodexLocalShell" }, { type: "allowed_tools", mode: "required", tools: [{ type: "local_shell" }] }],
    [{ mode: "required", oneOf: ["weather"] }, "required"],
    [{ oneOf: ["weather"] }, "auto"]
  ]
  for (const [choice, wire] of choices) {
    it.effect(`the choice ${JSON.stringify(choice)}`, () =>
      Effect.gen(function* () {
        yield* LanguageModel.generateText({
          prompt: "Go",
          toolkit,
          toolChoice: choice as never,
          disableToolCallResolution: true
        })
        assert.deepStrictEqual((yield* bodyOf())["tool_choice"], wire)
      }).pipe(Effect.provide(layer(said("Hello"))), Effect.provide(anyHandlers))
    )
  }

  const anyHandlers = Layer.merge(
    handlers(),
    Toolkit.make(CodexTool.custom("sql"), CodexTool.localShell({})).toLayer({
      sql: () => Effect.succeed(""),
      CodexLocalShell: () => Effect.succeed("")
    })
  )

  it.effect("are sent in their wire forms; the choice of the settings wins", () =>
    Effect.gen(function* () {
      const toolChoice = {
        type: "allowed_tools",
        mode: "auto",
        tools: [{ type: "function", name: "weather" }]
      } as const
      yield* LanguageModel.generateText({ prompt: "Go", toolkit, disableToolCallResolution: true }).pipe(
        CodexLanguageModel.withConfig({ toolChoice })
      )
      const body = yield* bodyOf()
      assert.deepStrictEqual(body["tool_choice"], toolChoice)
      assert.deepStrictEqual((body["tools"] as ReadonlyArray<Record<string, unknown>>).slice(1), [
        {
          type: "function",
          name: "clock",
          description: "The time, now.",
          strict: false,
          parameters: { type: "object", properties: {}, additionalProperties: false }
        },
        { type: "web_search", search_context_size: "low" },
        { type: "image_generation", output_format: "webp" },
        { type: "custom", name: "sql", description: "One query.", format: { type: "text" } },
        { type: "local_shell" }
      ])
    }).pipe(Effect.provide(layer(said("Hello"))), Effect.provide(anyHandlers))
  )

  it.effect("with a strict schema get what the model wrote without nulls for absent keys", () =>
    Effect.gen(function* () {
      const strict = Toolkit.make(
        Tool.make("pick", {
          parameters: { city: Schema.String, unit: Schema.optional(Schema.String) },
          success: Schema.String
        }).annotate(CodexTool.Strict, true)
      )
      const { toolResults } = yield* LanguageModel.generateText({ prompt: "Go", toolkit: strict }).pipe(
        Effect.provide(strict.toLayer({ pick: (params) => Effect.succeed(JSON.stringify(params)) }))
      )
      assert.strictEqual(toolResults[0]?.result, '{"city":"Oslo"}')
      const [tool] = (yield* bodyOf())["tools"] as ReadonlyArray<Record<string, unknown>>
      assert.isTrue(tool?.["strict"])
      assert.deepPropertyVal(tool?.["parameters"], "required", ["city", "unit"])
    }).pipe(
      Effect.provide(layer([Script.turn({ toolCalls: [{ name: "pick", arguments: { city: "Oslo", unit: null } }] })]))
    )
  )

  for (const [name, tool] of Object.entries({
    "another provider's": Tool.providerDefined({
      id: "other.search",
      toolkitName: "Search",
      providerName: "search",
      args: {}
    })({}),
    "one with a name that no tool can have": Tool.make("a b"),
    "one whose schema cannot be sent": Tool.make("big", { parameters: { n: Schema.BigIntFromSelf } })
  })) {
    it.effect(`${name} is MalformedInput, and nothing is sent`, () =>
      Effect.gen(function* () {
        const toolkit = Toolkit.make(tool as unknown as typeof anyTool)
        const error = yield* Effect.flip(
          LanguageModel.generateText({ prompt: "Go", toolkit: { tools: toolkit.tools, handle: unused as never } })
        )
        assert.strictEqual((error as { readonly _tag: string })._tag, "MalformedInput")
        assert.deepStrictEqual(yield* sent, [])
      }).pipe(Effect.provide(layer([])))
    )
  }
  const anyTool = Tool.make("any")
  const unused = () => Effect.void
})

describe("structured output", () => {
  const Person = Schema.Struct({ name: Schema.String, born: Schema.optional(Schema.NumberFromString) })
  const message = (text: string, phase?: string) => ({
    type: "message",
    id: `msg_${text.length}`,
    role: "assistant",
    ...(phase !== undefined && { phase }),
    content: [{ type: "output_text", text, annotations: [] }]
  })
  const items = (...all: ReadonlyArray<unknown>) =>
    Script.events([
      { type: "response.created", response: { id: "resp_1" } },
      ...all.map((item, output_index) => ({ type: "response.output_item.done", output_index, item })),
      { type: "response.completed", response: { id: "resp_1", status: "completed", output: [] } }
    ])

  it.effect("leaves commentary out, asks strictly, and gives absent keys back", () =>
    Effect.gen(function* () {
      const chat = yield* Chat.empty
      const { value } = yield* chat.generateObject({ prompt: "Who?", objectName: "a person", schema: Person })
      assert.deepStrictEqual(value, { name: "Ada" })
      const format = ((yield* bodyOf())["text"] as { readonly format: Record<string, unknown> }).format
      assert.isTrue(format["strict"])
      assert.strictEqual(format["name"], "a_person")
      assert.deepStrictEqual((format["schema"] as Record<string, unknown>)["required"], ["name", "born"])
      yield* chat.generateText({ prompt: "Thanks" })
      assert.strictEqual(outline((yield* sent)[1]?.input ?? []), "user assistant assistant user")
    }).pipe(
      Effect.provide(
        layer([
          items(message("Let me see.", "commentary"), message('{"name":"Ada","born":null}', "final_answer")),
          Script.turn({ text: "Bye." })
        ])
      )
    )
  )

  const bad: Record<string, { readonly step: Script.Step; readonly reason: string }> = {
    "a refusal": { step: Script.turn({ refusal: "No." }), reason: "refused" },
    "a cut answer": {
      step: Script.turn({ text: '{"name":"Ad', incomplete: "max_output_tokens" }),
      reason: "incomplete"
    },
    "no JSON": { step: Script.turn({ text: "Ada" }), reason: "invalid_json" },
    "a value that does not fit": { step: Script.turn({ text: '{"name":1,"born":null}' }), reason: "mismatch" },
    "a value whose decoding fails": { step: Script.turn({ text: '{"name":"A","born":"x"}' }), reason: "mismatch" }
  }
  for (const [name, { reason, step }] of Object.entries(bad)) {
    it.effect(`${name} is MalformedOutput with the text`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(LanguageModel.generateObject({ prompt: "Who?", schema: Person }))
        assert.strictEqual(error._tag, "MalformedOutput")
        assert.include(error.cause, { _tag: "InvalidOutput", reason })
      }).pipe(Effect.provide(layer([step])))
    )
  }

  it.effect("of a class, with services of the program in its decoding", () =>
    Effect.gen(function* () {
      class Suffix extends Context.Tag("Suffix")<Suffix, string>() {}
      class Answer extends Schema.Class<Answer>("app/Answer")({
        word: Schema.transformOrFail(Schema.String, Schema.String, {
          decode: (word) => Effect.map(Suffix, (suffix) => word + suffix),
          encode: (word) => Effect.succeed(word)
        }),
        more: Schema.optionalWith(Schema.Array(Schema.Struct({ n: Schema.optional(Schema.Int) })), {
          default: () => []
        })
      }) {}
      const { value } = yield* LanguageModel.generateObject({ prompt: "Go", schema: Answer }).pipe(
        Effect.provideService(Suffix, "!")
      )
      assert.instanceOf(value, Answer)
      assert.deepStrictEqual({ ...value }, { word: "Hey!", more: [{}, { n: 1 }] })
    }).pipe(Effect.provide(layer(said('{"word":"Hey","more":[{"n":null},{"n":1}]}'))))
  )

  it.effect("a schema that cannot be sent is MalformedInput", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        LanguageModel.generateObject({ prompt: "Who?", schema: Schema.Struct({ at: Schema.Object as never }) })
      )
      assert.strictEqual((error as { readonly _tag: string })._tag, "MalformedInput")
      assert.deepStrictEqual(yield* sent, [])
    }).pipe(Effect.provide(layer([])))
  )
})

describe("the response", () => {
  const reasons: Record<string, readonly [Script.Turn, Response.FinishReason]> = {
    "a good end": [{ text: "Hi" }, "stop"],
    "a cut answer": [{ text: "Hello", incomplete: "max_output_tokens" }, "length"],
    "a filter": [{ text: "Hello", incomplete: "content_filter" }, "content-filter"],
    "another cut": [{ text: "Hello", incomplete: "max_tool_calls" }, "other"],
    "a refusal": [{ refusal: "No." }, "content-filter"],
    calls: [{ toolCalls: [{ name: "clock" }] }, "tool-calls"]
  }
  for (const [name, [turn, reason]] of Object.entries(reasons)) {
    it.effect(`${name} is ${reason}, both ways`, () =>
      Effect.gen(function* () {
        const options = { prompt: "Go", toolkit: tools, disableToolCallResolution: true }
        const whole = yield* LanguageModel.generateText(options)
        const streamed = Chunk.toReadonlyArray(yield* Stream.runCollect(LanguageModel.streamText(options)))
        assert.strictEqual(whole.finishReason, reason)
        assert.strictEqual(finishOf(streamed)?.reason, reason)
      }).pipe(Effect.provide(layer([Script.turn(turn), Script.turn(turn)])), Effect.provide(handlers()))
    )
  }

  it.effect("has the data that the interface has no field for", () =>
    Effect.gen(function* () {
      const { content, usage } = yield* LanguageModel.generateText({ prompt: "Hi" })
      const codex = finishOf(content)?.metadata.codex
      assert.include(codex, {
        responseId: "resp_9",
        model: "gpt-served",
        requestId: "req_9",
        requests: 1,
        attempts: 1,
        cacheWriteTokens: 5
      })
      assert.strictEqual(codex?.rateLimits?.limits[0]?.windows[0]?.usedPercent, 40)
      assert.include(usage, { inputTokens: 10, outputTokens: 3, reasoningTokens: 2, cachedInputTokens: 4 })
    }).pipe(
      Effect.provide(
        layer([
          Script.turn({
            text: "Hello",
            id: "resp_9",
            usage: { inputTokens: 10, outputTokens: 3, reasoningTokens: 2, cachedTokens: 4, cacheWriteTokens: 5 }
          }).pipe(
            Script.headers({
              "x-request-id": "req_9",
              "openai-model": "gpt-served",
              "x-codex-primary-used-percent": "40",
              "x-codex-primary-window-minutes": "300"
            })
          )
        ])
      )
    )
  )

  it.effect("a refusal is marked text, and stays in the chat", () =>
    Effect.gen(function* () {
      const chat = yield* Chat.empty
      const parts = Chunk.toReadonlyArray(yield* Stream.runCollect(chat.streamText({ prompt: "Go" })))
      assert.isTrue(parts.some((part) => part.type === "text-start" && part.metadata.codex?.refusal === true))
      assert.strictEqual(finishOf(parts)?.metadata.codex?.refusal, "No.")
      yield* chat.generateText({ prompt: "Why?" })
      const [, second] = yield* sent
      assert.include(JSON.stringify(second?.input), '"refusal":"No."')
    }).pipe(Effect.provide(layer([Script.turn({ refusal: "No." }), Script.turn({ text: "So." })])))
  )

  it.effect("a turn the server wants finished in a further request is one response", () =>
    Effect.gen(function* () {
      const chat = yield* Chat.empty
      const parts = Chunk.toReadonlyArray(yield* Stream.runCollect(chat.streamText({ prompt: "Go" })))
      assert.strictEqual(parts.map((part) => (part.type === "text-delta" ? part.delta : "")).join(""), "One. Two.")
      assert.strictEqual(finishOf(parts)?.metadata.codex?.requests, 2)
      yield* chat.generateText({ prompt: "Go on" })
      assert.deepStrictEqual(
        (yield* sent).map(({ input }) => outline(input)),
        ["user", "user assistant", "user assistant assistant user"]
      )
    }).pipe(
      Effect.provide(
        layer([
          Script.turn({ text: "One. ", endTurn: false }),
          Script.turn({ text: "Two." }),
          Script.turn({ text: "Three." })
        ])
      )
    )
  )

  it.effect("what was cut off by a limit stays in the conversation", () =>
    Effect.gen(function* () {
      const chat = yield* Chat.empty
      const { text } = yield* chat.generateText({ prompt: "Go" })
      assert.isNotEmpty(text)
      yield* chat.generateText({ prompt: "Go on" })
      assert.include(JSON.stringify((yield* sent)[1]?.input), JSON.stringify(text))
    }).pipe(
      Effect.provide(
        layer([Script.turn({ text: "A long story", incomplete: "max_output_tokens" }), Script.turn({ text: "End." })])
      )
    )
  )

  const hosted = [
    {
      type: "web_search_call",
      id: "ws_1",
      status: "completed",
      action: { type: "search", query: "cats" }
    },
    { type: "image_generation_call", id: "ig_1", status: "completed", result: Buffer.from(png).toString("base64") },
    { type: "image_generation_call", id: "ig_2", status: "completed", result: "no base64!" },
    {
      type: "message",
      id: "msg_1",
      role: "assistant",
      content: [
        {
          type: "output_text",
          text: "Cats purr.",
          annotations: [
            { type: "url_citation", url: "https://example.org/cats", title: "Cats", start_index: 0, end_index: 4 },
            { type: "url_citation", url: "not a url", title: "No" },
            { type: "file_citation", filename: "cats.pdf", file_id: "file_1", index: 3 }
          ]
        }
      ]
    }
  ]
  const step = Script.events([
    { type: "response.created", response: { id: "resp_1" } },
    ...hosted.map((item, output_index) => ({ type: "response.output_item.done", output_index, item })),
    { type: "response.completed", response: { id: "resp_1", status: "completed", output: [] } }
  ])
  for (const how of ["generateText", "streamText"] as const) {
    it.effect(`${how} shows sources, images, and what the server ran`, () =>
      Effect.gen(function* () {
        const toolkit = Toolkit.make(CodexTool.webSearch({}))
        const parts: ReadonlyArray<Response.AnyPart> =
          how === "generateText"
            ? (yield* LanguageModel.generateText({ prompt: "Go", toolkit })).content
            : Chunk.toReadonlyArray(yield* Stream.runCollect(LanguageModel.streamText({ prompt: "Go", toolkit })))
        const of = (type: string) => parts.filter((part) => part.type === type)
        assert.deepStrictEqual(
          of("source").map((part) => (part as Response.UrlSourcePart).title),
          ["Cats", "cats.pdf"]
        )
        assert.deepStrictEqual((of("file")[0] as Response.FilePart | undefined)?.data, png)
        assert.strictEqual(of("file").length, 1)
        const [call] = of("tool-call") as ReadonlyArray<Response.ToolCallPart<string, unknown>>
        assert.deepStrictEqual(call?.params, { action: { type: "search", query: "cats" } })
        assert.isTrue(call?.providerExecuted)
        assert.strictEqual(of("tool-result").length, 1)
        assert.strictEqual(finishOf(parts)?.reason, "stop")
      }).pipe(Effect.provide(layer([step])))
    )
  }
})

describe("settings", () => {
  it.effect("of a request win over those of the Layer, inner ones over outer ones", () =>
    Effect.gen(function* () {
      const stream = LanguageModel.streamText({ prompt: "Hi", toolkit: tools }).pipe(
        CodexLanguageModel.withConfigStream({ reasoning: { effort: "low" } }),
        Stream.runDrain
      )
      yield* CodexLanguageModel.withConfig(stream, { verbosity: "high", conversationId: "c1" })
      const body = yield* bodyOf()
      assert.include(body, { model: "gpt-5.5", prompt_cache_key: "c1" })
      assert.deepInclude(body["reasoning"], { effort: "low" })
      assert.deepInclude(body["text"], { verbosity: "high" })
    }).pipe(
      Effect.provide(layer(said("Hello"), { model: "gpt-5.5", config: { verbosity: "low", conversationId: "c0" } })),
      Effect.provide(handlers())
    )
  )

  it("have no key for what the backend refuses", () => {
    // @ts-expect-error sampling cannot be configured
    CodexLanguageModel.withConfig({ temperature: 1 })
    // @ts-expect-error the prompt says it
    CodexLanguageModel.withConfig({ input: [] })
  })

  it.effect("a choice among tools is left out where there are none", () =>
    Effect.gen(function* () {
      yield* LanguageModel.generateText({ prompt: "Hi" })
      assert.strictEqual((yield* bodyOf())["tool_choice"], "auto")
    }).pipe(Effect.provide(layer(said("Hello"), { config: { toolChoice: { type: "function", name: "weather" } } })))
  )

  it.effect("a conversation that the program names is apart from all others", () =>
    Effect.gen(function* () {
      const ask = (id: string, prompt: Prompt.RawInput) =>
        CodexLanguageModel.withConfig(LanguageModel.generateText({ prompt }), { conversationId: id })
      yield* ask("a", "Hi")
      const history = [
        { role: "user", content: "Hi" },
        { role: "assistant", content: "OK." },
        { role: "user", content: "Go on" }
      ] as const
      yield* ask("b", history)
      yield* ask("a", history)
      assert.deepStrictEqual(
        (yield* sent).slice(1).map(({ input }) => outline(input)),
        ["user assistant user", "user reasoning assistant user"]
      )
    }).pipe(Effect.provide(layer(Script.always(Script.turn({ reasoning: [], text: "OK." })))))
  )

  it.effect("a Model has the name of its provider", () =>
    Effect.gen(function* () {
      const name = yield* Effect.zipLeft(Model.ProviderName, LanguageModel.generateText({ prompt: "Hi" }))
      assert.strictEqual(name, "codex")
      assert.strictEqual((yield* bodyOf())["model"], "gpt-5.5")
    }).pipe(
      Effect.provide(CodexLanguageModel.model("gpt-5.5", { verbosity: "low" })),
      Effect.provide(TestCodex.layer(said("Hello")))
    )
  )
})

describe("failures", () => {
  const failures: Record<string, readonly [Script.Step, string, string]> = {
    "a used-up plan": [Script.usageLimit({ resetsAt: 1_800_000_000 }), "UnknownError", "UsageLimit"],
    "a prompt that is too long": [
      Script.failed({ code: "context_length_exceeded", message: "too long" }),
      "MalformedInput",
      "ContextWindowExceeded"
    ],
    "a cut stream": [
      Script.turn({ text: "Hello" }).pipe(Script.truncateAfterEvents(4)),
      "MalformedOutput",
      "StreamTruncated"
    ],
    "a connection that is refused": [Script.refuse, "UnknownError", "ConnectionFailed"]
  }
  for (const [name, [step, tag, cause]] of Object.entries(failures)) {
    it.effect(`${name} is ${tag}, and its cause is ${cause}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(LanguageModel.generateText({ prompt: "Hi" }))
        assert.strictEqual(error._tag, tag)
        const found = CodexLanguageModel.codexError(error)
        assert.strictEqual(Option.getOrUndefined(found)?._tag, cause)
        assert.strictEqual(error.description, Option.getOrUndefined(found)?.message)
      }).pipe(Effect.provide(layer([step])))
    )
  }
})

it.effect("spans carry no secret that the server says as an id", () => {
  const id = `eyJ${"a".repeat(40)}.eyJ${"b".repeat(40)}.c`
  const step = Script.events([
    { type: "response.created", response: { id } },
    { type: "response.output_text.delta", output_index: 0, content_index: 0, item_id: "msg_1", delta: "Hello" },
    { type: "response.completed", response: { id, status: "completed", output: [] } }
  ])
  return Effect.gen(function* () {
    let span: Tracer.Span | undefined
    yield* LanguageModel.generateText({ prompt: "Hi" }).pipe(
      Effect.provideService(Telemetry.CurrentSpanTransformer, (options) => {
        span = options.span
      })
    )
    assert.strictEqual(span?.attributes.get("gen_ai.response.id"), "<redacted>")
  }).pipe(Effect.provide(layer([step])))
})

it.effect("spans carry the attributes of GenAI, and a transformer sees the whole response", () =>
  Effect.gen(function* () {
    let span: Tracer.Span | undefined
    let parts = 0
    yield* LanguageModel.streamText({ prompt: "Hi" }).pipe(
      Stream.runDrain,
      Effect.provideService(Telemetry.CurrentSpanTransformer, (options) => {
        span = options.span
        parts = options.response.length
      })
    )
    assert.isAbove(parts, 0)
    assert.include(Object.fromEntries(span?.attributes ?? []), {
      "gen_ai.system": "openai",
      "gen_ai.operation.name": "chat",
      "gen_ai.request.model": "gpt-5.5",
      "gen_ai.response.id": "resp_1",
      "gen_ai.usage.input_tokens": 7
    })
    assert.deepStrictEqual(span?.attributes.get("gen_ai.response.finish_reasons"), ["stop"])
  }).pipe(Effect.provide(layer([Script.turn({ text: "Hello", usage: { inputTokens: 7 } })], { model: "gpt-5.5" })))
)
