/**
 * The rows of docs/parity.md that need the whole client: what it sends, and what it lets the caller see, through
 * its public entry and with a scripted backend.
 */
import { assert, describe, it } from "@effect/vitest"
import { Message } from "@effect-codex/schema"
import { Script, ScriptedBackend, TestCodex } from "@effect-codex/testing"
import * as Effect from "effect/Effect"
import { Codex } from "effect-codex"

type Body = Readonly<Record<string, unknown>> & { readonly input: ReadonlyArray<Readonly<Record<string, unknown>>> }

/** The requests for turns the backend got, with their bodies. */
const turns = Effect.gen(function* () {
  const backend = yield* ScriptedBackend.ScriptedBackend
  const requests = yield* backend.requests
  return requests.filter(({ path }) => path.endsWith("/codex/responses"))
})

const bodies = Effect.map(turns, (requests) => requests.map(({ body }) => body as Body))

describe("what is sent", () => {
  it.effect("goes to /codex/responses of the ChatGPT backend, with its headers and body", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      yield* codex.turn({
        input: [Message.system("Be brief."), Message.system("Be kind."), Message.user("Hi")],
        conversationId: "conversation-1"
      })
      const [request] = yield* turns
      assert.strictEqual(request?.method, "POST")
      assert.strictEqual(request?.url, "https://chatgpt.com/backend-api/codex/responses")
      assert.deepInclude(request?.headers, {
        accept: "text/event-stream",
        originator: "effect-codex",
        "chatgpt-account-id": "acc_test",
        "session-id": "conversation-1"
      })
      assert.match(request?.headers["authorization"] ?? "", /^Bearer .+\..+\..+$/)
      const [body] = yield* bodies
      assert.strictEqual(body?.["instructions"], "Be brief.\n\nBe kind.")
      assert.deepStrictEqual(
        body?.input.map((item) => item["role"]),
        ["user"]
      )
      assert.deepInclude(body, {
        stream: true,
        store: false,
        parallel_tool_calls: true,
        tool_choice: "auto",
        reasoning: { effort: "medium" },
        text: { verbosity: "low" }
      })
    }).pipe(Effect.provide(TestCodex.layer([Script.turn({ text: "Hello" })])))
  )

  it.effect("always has instructions, if only empty ones (14)", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      yield* codex.turn({ prompt: "Hi" })
      assert.strictEqual((yield* bodies)[0]?.["instructions"], "")
    }).pipe(Effect.provide(TestCodex.layer([Script.turn({ text: "Hello" })])))
  )

  it.effect("after a tool turn is that turn again: reasoning, text and calls, to the last key (25 to 29)", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const asked = [Message.user("How many files?")]
      const first = yield* codex.turn({ input: asked })
      const results = first.toolCalls.map((call) => Message.toolResult(call, "two files"))
      yield* codex.turn({ input: [...asked, ...first.items, ...results] })
      const replayed = (yield* bodies)[1]?.input ?? []
      assert.deepStrictEqual(
        replayed.map((item) => item["type"]),
        ["message", "reasoning", "message", "function_call", "function_call_output"]
      )
      assert.deepStrictEqual(replayed.slice(1, 4), first.items as ReadonlyArray<unknown> as typeof replayed)
      assert.isString(replayed[1]?.["encrypted_content"])
      assert.isString(replayed[3]?.["id"])
      assert.strictEqual(replayed[4]?.["output"], "two files")
      assert.strictEqual(replayed[4]?.["call_id"], replayed[3]?.["call_id"])
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          Script.turn({ reasoning: "A look.", text: "Let me look.", toolCalls: [{ name: "ls", arguments: {} }] }),
          Script.turn({ text: "Two." })
        ])
      )
    )
  )
})

describe("calls at the same time (47)", () => {
  it.effect("share nothing: each result has its own response id", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const results = yield* Effect.all(
        ["a", "b", "c", "d"].map((prompt) => codex.turn({ prompt })),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(new Set(results.map(({ responseId }) => responseId)).size, 4)
    }).pipe(Effect.provide(TestCodex.layer(Script.always(Script.turn({ text: "ok" })))))
  )
})

describe("what is told (44)", () => {
  it.effect("the turn names its request and what it cost", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const turn = yield* codex.turn({ prompt: "Hi" })
      assert.strictEqual(turn.requestId, "req_1")
      assert.strictEqual(turn.usage?.reasoningTokens, 10)
    }).pipe(
      Effect.provide(
        TestCodex.layer([
          Script.turn({ text: "Hello", usage: { inputTokens: 100, reasoningTokens: 10 } }).pipe(
            Script.headers({ "x-request-id": "req_1" })
          )
        ])
      )
    )
  )
})
