/** Handlers run only when the turn has come to a good end, and the model is told of calls that fit nothing. */
import { Chat, LanguageModel, type Response, Tool, Toolkit } from "@effect/ai"
import { assert, describe, it } from "@effect/vitest"
import { CodexLanguageModel, CodexTool } from "@effect-codex/ai"
import { Script, TestCodex } from "@effect-codex/testing"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { handlers, outline, sent, tools } from "./support.ts"

const layer = (script: Script.Script, options?: CodexLanguageModel.Options) =>
  Layer.provideMerge(
    CodexLanguageModel.layer(options),
    TestCodex.layer(script, { retry: { retries: 0, outageRetries: 0 } })
  )

const weather = (city: string): Script.ToolCall => ({ name: "weather", arguments: { city } })

const generate = (ran: Array<string>) =>
  LanguageModel.generateText({ prompt: "Go", toolkit: tools }).pipe(Effect.provide(handlers(ran)))

const streamed = (ran: Array<string>) =>
  LanguageModel.streamText({ prompt: "Go", toolkit: tools }).pipe(
    Stream.runCollect,
    Effect.map(Chunk.toReadonlyArray),
    Effect.provide(handlers(ran))
  )

const finishOf = (parts: ReadonlyArray<Response.AnyPart>) =>
  parts.flatMap((part) => (part.type === "finish" ? [part] : []))[0]

describe("a turn that breaks after a call was complete", () => {
  const turn: Script.Turn = { toolCalls: [weather("Prague")], text: "Wait." }
  const events = Script.turnEvents(turn)
  const broken: Record<string, { readonly step: Script.Step; readonly tag: string }> = {
    "is cut": { step: Script.turn(turn).pipe(Script.truncateAfterEvents(events.length - 1)), tag: "StreamTruncated" },
    "is reset": { step: Script.turn(turn).pipe(Script.resetAfterEvents(events.length - 1)), tag: "ConnectionFailed" },
    fails: {
      step: Script.events([
        ...events.slice(0, -1),
        { type: "response.failed", response: { id: "r", error: { code: "server_error", message: "boom" } } }
      ]),
      tag: "ResponseFailed"
    }
  }
  for (const [name, { step, tag }] of Object.entries(broken)) {
    for (const [method, run] of Object.entries({ generateText: generate, streamText: streamed })) {
      it.effect(`${name}: ${method} runs no handler and fails with the cause`, () =>
        Effect.gen(function* () {
          const ran: Array<string> = []
          const outcome = yield* Effect.either(run(ran) as Effect.Effect<unknown, never, never>)
          assert.deepStrictEqual(ran, [])
          if (!Either.isLeft(outcome)) return assert.fail("the turn did not fail")
          const cause = CodexLanguageModel.codexError(outcome.left)
          assert.strictEqual(Option.getOrUndefined(cause)?._tag, tag)
        }).pipe(Effect.provide(layer([step])))
      )
    }
  }

  it.effect("ends incomplete: the call is not handed out", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const parts = yield* streamed(ran)
      assert.deepStrictEqual(ran, [])
      assert.strictEqual(finishOf(parts)?.reason, "length")
    }).pipe(Effect.provide(layer([Script.turn({ toolCalls: [weather("Prague")], incomplete: "max_output_tokens" })])))
  )
})

it.effect("handlers of one turn run side by side", () =>
  Effect.gen(function* () {
    const both = yield* Deferred.make<void>()
    let waiting = 0
    const Wait = Tool.make("wait", { parameters: { n: Schema.Number }, success: Schema.Number })
    const toolkit = Toolkit.make(Wait)
    // each handler waits until the other one runs
    const live = toolkit.toLayer({
      wait: ({ n }) =>
        Effect.suspend(() => (++waiting === 2 ? Deferred.succeed(both, undefined) : Effect.void)).pipe(
          Effect.zipRight(Deferred.await(both)),
          Effect.as(n)
        )
    })
    const parts = yield* LanguageModel.streamText({ prompt: "Go", toolkit, concurrency: "unbounded" }).pipe(
      Stream.runCollect,
      Effect.provide(live)
    )
    const types = Chunk.toReadonlyArray(parts).map(({ type }) => type)
    assert.deepStrictEqual(types.slice(-5), ["tool-call", "tool-call", "tool-result", "tool-result", "finish"])
  }).pipe(
    Effect.provide(
      layer([
        Script.turn({
          toolCalls: [
            { name: "wait", arguments: { n: 1 } },
            { name: "wait", arguments: { n: 2 } }
          ]
        })
      ])
    )
  )
)

const misfits: Record<string, Script.ToolCall> = {
  "an unknown name": { name: "no_such_tool", arguments: {} },
  "broken JSON": { name: "weather", arguments: '{"city": ' },
  "arguments that do not fit": { name: "weather", arguments: { city: 1 } },
  "a key that reaches into prototypes": { name: "weather", arguments: '{"city":"A","__proto__":{"x":1}}' },
  "a namespace": { name: "weather", namespace: "mcp", arguments: { city: "A" } },
  "a free-form call": { name: "weather", input: "Prague" }
}

describe("a call with", () => {
  for (const [name, call] of Object.entries(misfits)) {
    it.effect(`${name} is answered in a hidden request when no call fits`, () =>
      Effect.gen(function* () {
        const ran: Array<string> = []
        const response = yield* generate(ran)
        assert.strictEqual(response.text, "Done.")
        assert.strictEqual(response.finishReason, "stop")
        assert.deepStrictEqual(ran, [])
        const finish = finishOf(response.content)?.metadata.codex
        assert.strictEqual(finish?.requests, 2)
        assert.strictEqual(finish?.invalidToolCalls.length, 1)
        assert.strictEqual(response.usage.inputTokens, 30)
        const [, second] = yield* sent
        const output = second?.input.at(-1) as { readonly output: string } | undefined
        assert.match(output?.output ?? "", /^Error: /)
      }).pipe(
        Effect.provide(
          layer([
            Script.turn({ reasoning: [], toolCalls: [call], usage: { inputTokens: 10 } }),
            Script.turn({ text: "Done.", usage: { inputTokens: 20 } })
          ])
        )
      )
    )

    it.effect(`${name} fails when that is asked for, and no other call runs`, () =>
      Effect.gen(function* () {
        const ran: Array<string> = []
        const error = yield* Effect.flip(generate(ran)) as Effect.Effect<unknown>
        assert.propertyVal(error, "_tag", "MalformedOutput")
        assert.deepStrictEqual(ran, [])
      }).pipe(
        Effect.provide(
          layer([Script.turn({ toolCalls: [weather("Prague"), call] })], { config: { invalidToolCalls: "fail" } })
        )
      )
    )
  }

  it.effect("a fitting one beside it is answered with the next request, in the order of the calls", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const chat = yield* Chat.empty
      yield* Effect.provide(chat.generateText({ prompt: "Go", toolkit: tools }), handlers(ran))
      const second = yield* Effect.provide(chat.generateText({ prompt: [], toolkit: tools }), handlers(ran))
      assert.strictEqual(second.text, "Done.")
      assert.deepStrictEqual(ran, ["weather Prague", "weather Vienna"])
      const [, request] = yield* sent
      assert.strictEqual(outline(request?.input ?? []), "user call:weather call:nope call:weather output output output")
      const ids = (type: string) =>
        request?.input.flatMap((item) => (item.type === type ? [(item as { call_id: string }).call_id] : []))
      assert.deepStrictEqual(ids("function_call_output"), ids("function_call"))
    }).pipe(
      Effect.provide(
        layer([
          Script.turn({ toolCalls: [weather("Prague"), { name: "nope" }, weather("Vienna")] }),
          Script.turn({ text: "Done." })
        ])
      )
    )
  )

  it.effect("no valid call ends after three hidden requests, and the next prompt continues from there", () =>
    Effect.gen(function* () {
      const chat = yield* Chat.empty
      const first = yield* chat.generateText({ prompt: "Go" })
      assert.strictEqual(first.finishReason, "error")
      assert.strictEqual(finishOf(first.content)?.metadata.codex?.requests, 4)
      const second = yield* chat.generateText({ prompt: "Then leave it." })
      assert.strictEqual(second.text, "Fine.")
      const requests = yield* sent
      assert.strictEqual(
        outline(requests.at(-1)?.input ?? []),
        "user call:nope output call:nope output call:nope output call:nope output user"
      )
    }).pipe(
      Effect.provide(
        layer([
          ...[1, 2, 3, 4].map(() => Script.turn({ toolCalls: [{ name: "nope" }] })),
          Script.turn({ text: "Fine." })
        ])
      )
    )
  )

  it.effect("the empty text as arguments is a call without any", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      yield* streamed(ran)
      assert.deepStrictEqual(ran, ["clock"])
    }).pipe(Effect.provide(layer([Script.turn({ toolCalls: [{ name: "clock", arguments: "" }] })])))
  )
})

describe("text", () => {
  const turn: Script.Turn = { reasoning: "Hm.", text: "Hello, world" }
  const events = Script.turnEvents(turn)
  const firstText = events.findIndex(({ type }) => type === "response.output_text.delta")
  const retrying = (script: Script.Script) =>
    Layer.provideMerge(CodexLanguageModel.layer(), TestCodex.layer(script, { retry: { baseDelay: "1 millis" } }))
  const textOf = (parts: ReadonlyArray<Response.AnyPart>) =>
    parts.map((part) => (part.type === "text-delta" ? part.delta : "")).join("")

  it.live("is not begun again once its first word was shown", () =>
    Effect.gen(function* () {
      const shown: Array<Response.AnyPart> = []
      const error = yield* LanguageModel.streamText({ prompt: "Hi" }).pipe(
        Stream.runForEach((part) => Effect.sync(() => shown.push(part))),
        Effect.flip
      )
      assert.strictEqual(textOf(shown), "Hello,")
      assert.strictEqual(Option.getOrUndefined(CodexLanguageModel.codexError(error))?._tag, "StreamTruncated")
      assert.strictEqual((yield* sent).length, 1)
    }).pipe(
      Effect.provide(retrying([Script.turn(turn).pipe(Script.truncateAfterEvents(firstText + 1)), Script.turn(turn)]))
    )
  )

  it.live("is retried before that, after any other output", () =>
    Effect.gen(function* () {
      const parts = yield* LanguageModel.streamText({ prompt: "Hi" }).pipe(Stream.runCollect)
      const all = Chunk.toReadonlyArray(parts)
      assert.strictEqual(textOf(all), "Hello, world")
      assert.strictEqual(finishOf(all)?.metadata.codex?.attempts, 2)
      const open = new Set<string>()
      for (const part of all) {
        if (part.type === "reasoning-start") {
          assert.isFalse(open.has(part.id))
          open.add(part.id)
        }
        if (part.type === "reasoning-end") open.delete(part.id)
      }
      assert.strictEqual(open.size, 0)
    }).pipe(
      Effect.provide(retrying([Script.turn(turn).pipe(Script.truncateAfterEvents(firstText)), Script.turn(turn)]))
    )
  )
})

it.effect("a call that an earlier turn of the chat made is not carried out again, and the model is told", () =>
  Effect.gen(function* () {
    const ran: Array<string> = []
    yield* Effect.gen(function* () {
      const chat = yield* Chat.empty
      yield* chat.generateText({ prompt: "Go", toolkit: tools })
      const { text } = yield* chat.generateText({ prompt: "Go on", toolkit: tools })
      assert.strictEqual(text, "Done.")
    }).pipe(Effect.provide(handlers(ran)))
    assert.deepStrictEqual(ran, ["weather Prague"])
    const input = (yield* sent).at(-1)?.input ?? []
    assert.strictEqual(outline(input), "user call:weather output user call:weather output")
    assert.match((input.at(-1) as { readonly output?: string } | undefined)?.output ?? "", /repeats an earlier call/)
  }).pipe(
    Effect.provide(
      layer([
        Script.turn({ toolCalls: [{ ...weather("Prague"), callId: "call_1" }] }),
        Script.turn({ toolCalls: [{ ...weather("Brno"), callId: "call_1" }] }),
        Script.turn({ text: "Done." })
      ])
    )
  )
)

it.effect("calls of free-form tools and of the shell are what they were in a prompt that nobody remembers, too", () =>
  Effect.gen(function* () {
    const toolkit = Toolkit.make(CodexTool.custom("sql"), CodexTool.localShell({}))
    const live = toolkit.toLayer({ sql: () => Effect.succeed(""), CodexLocalShell: () => Effect.succeed("") })
    const calls = [
      { id: "call_1", name: "sql", params: { input: "SELECT 1" } },
      { id: "call_2", name: "CodexLocalShell", params: { command: ["ls"] } }
    ]
    const [asked, answered] = [
      calls.map((call) => ({ type: "tool-call", ...call, providerExecuted: false }) as const),
      calls.map(({ id, name }) => {
        const done = { result: "out", isFailure: false, providerExecuted: false }
        return { type: "tool-result", id, name, ...done } as const
      })
    ]
    const prompt = [
      { role: "user", content: "Go" },
      { role: "assistant", content: asked },
      { role: "tool", content: answered }
    ] as const
    yield* Effect.provide(LanguageModel.generateText({ prompt, toolkit }), live)
    const input = (yield* sent)[0]?.input ?? []
    assert.strictEqual(outline(input), "user custom_tool_call local_shell_call custom_tool_call_output output")
    assert.deepInclude(input[2], { call_id: "call_2", action: { type: "exec", command: ["ls"] } })
  }).pipe(Effect.provide(layer([Script.turn({ text: "Done." })])))
)

it.effect("free-form tools and the shell reach their handlers, and their outputs go back as such", () =>
  Effect.gen(function* () {
    const toolkit = Toolkit.make(CodexTool.custom("sql", { description: "One query." }), CodexTool.localShell({}))
    const live = toolkit.toLayer({
      sql: ({ input }) => Effect.succeed(`rows of ${input}`),
      CodexLocalShell: ({ command }) => Effect.succeed(command.join(" "))
    })
    const chat = yield* Chat.empty
    const first = yield* Effect.provide(chat.generateText({ prompt: "Go", toolkit }), live)
    assert.deepStrictEqual(
      first.toolResults.map(({ result }) => result),
      ["rows of SELECT 1", "ls -l"]
    )
    yield* Effect.provide(chat.generateText({ prompt: [], toolkit }), live)
    const [request, second] = yield* sent
    assert.deepStrictEqual(
      request?.tools.map(({ type }) => type as string),
      ["custom", "local_shell"]
    )
    assert.strictEqual(
      outline(second?.input ?? []),
      "user custom_tool_call local_shell_call custom_tool_call_output output"
    )
  }).pipe(
    Effect.provide(
      layer([
        Script.events([
          { type: "response.created", response: { id: "resp_1" } },
          {
            type: "response.output_item.done",
            output_index: 0,
            item: { type: "custom_tool_call", id: "ctc_1", call_id: "call_1", name: "sql", input: "SELECT 1" }
          },
          {
            type: "response.output_item.done",
            output_index: 1,
            item: {
              type: "local_shell_call",
              id: "lsh_1",
              call_id: "call_2",
              status: "completed",
              action: { type: "exec", command: ["ls", "-l"] }
            }
          },
          { type: "response.completed", response: { id: "resp_1", status: "completed", output: [] } }
        ]),
        Script.turn({ text: "Done." })
      ])
    )
  )
)

describe("a call whose arguments did not arrive", () => {
  const toolkit = Toolkit.make(CodexTool.custom("sql"), Tool.make("clock", { success: Schema.String }))
  const items = {
    "free-form, without input": { type: "custom_tool_call", id: "ctc_1", name: "sql" },
    "free-form, with null": { type: "custom_tool_call", id: "ctc_1", name: "sql", input: null },
    "without parameters, with a number": { type: "function_call", id: "fc_1", name: "clock", arguments: 5 },
    "without parameters, with true": { type: "function_call", id: "fc_1", name: "clock", arguments: true }
  }
  for (const [name, item] of Object.entries(items)) {
    it.effect(`reaches no handler: ${name}`, () =>
      Effect.gen(function* () {
        const ran: Array<string> = []
        const handle = (tool: string) => Effect.sync(() => `${ran.push(tool)}`)
        const live = toolkit.toLayer({ sql: () => handle("sql"), clock: () => handle("clock") })
        const response = yield* Effect.provide(LanguageModel.generateText({ prompt: "Go", toolkit }), live)
        assert.strictEqual(response.text, "Done.")
        assert.deepStrictEqual(ran, [])
        const [, second] = yield* sent
        const output = second?.input.at(-1) as { readonly output: string } | undefined
        assert.match(output?.output ?? "", /^Error: .*cannot be parsed/)
      }).pipe(
        Effect.provide(
          layer([
            Script.events([
              { type: "response.created", response: { id: "resp_1" } },
              {
                type: "response.output_item.done",
                output_index: 0,
                item: { ...item, call_id: "call_1", status: "completed" }
              },
              { type: "response.completed", response: { id: "resp_1", status: "completed", output: [] } }
            ]),
            Script.turn({ text: "Done." })
          ])
        )
      )
    )
  }
})
