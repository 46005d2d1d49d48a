/** Turns are found again by everything that was said before them, and only by those who said it. */
import { Chat, LanguageModel, Prompt, type Response } from "@effect/ai"
import * as Persistence from "@effect/experimental/Persistence"
import { assert, describe, it } from "@effect/vitest"
import { CodexLanguageModel, CodexPrompt } from "@effect-codex/ai"
import { Script, ScriptedBackend, TestAuth, TestCodex } from "@effect-codex/testing"
import { CodexConfig } from "@effect-codex/transport"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Codex } from "effect-codex"
import { fewer } from "../../../test/exhaustive.ts"
import { type Arbitrary, draw } from "../../../test/property.ts"
import * as TurnMemory from "../src/internal/turnMemory.ts"
import { handlers, outline, rounds, sent, tools } from "./support.ts"

const layer = (script: Script.Script, options?: CodexLanguageModel.Options) =>
  Layer.provideMerge(CodexLanguageModel.layer(options), TestCodex.layer(script))

/** Everybody gets the same answer, each with reasoning of its own. */
const always = (text: string): Script.Script => Script.always(Script.turn({ reasoning: [], text }))

const keptOf = (parts: ReadonlyArray<Response.AnyPart>) =>
  parts.flatMap((part) => (part.type === "finish" && part.metadata.codex ? [part.metadata.codex.turn] : []))

const secretsIn = (entries: ReadonlyArray<unknown>): ReadonlyArray<string> =>
  entries.flatMap((entry) => {
    const { encrypted_content: secret } = entry as { readonly encrypted_content?: unknown }
    return typeof secret === "string" ? [secret] : []
  })

type Move = { readonly chat: number; readonly how: "generate" | "stream" | "json"; readonly words: string }

const move: Arbitrary<Move> = draw.record({
  chat: draw.nat({ max: 2 }),
  how: draw.constantFrom("generate", "generate", "stream", "json" as const),
  words: draw.constantFrom("Hi", "Hi", "Go on")
})

describe("conversations with the same content", () => {
  it.effect.prop(
    "never see each other's items, and see all of their own",
    [draw.array(move, { minLength: 4, maxLength: 12 })],
    ([moves]) =>
      Effect.gen(function* () {
        const chats = yield* Effect.forEach([0, 1, 2], () => Chat.empty)
        const own = chats.map(() => new Set<string>())
        const ids = chats.map(() => new Set<string | undefined>())
        const throughJson = chats.map(() => false)
        for (const { chat: n, how, words } of moves) {
          const chat = chats[n] as Chat.Service
          if (how === "json") {
            chats[n] = yield* Effect.flatMap(chat.exportJson, Chat.fromJson)
            throughJson[n] = true
            continue
          }
          const parts: ReadonlyArray<Response.AnyPart> =
            how === "generate"
              ? (yield* chat.generateText({ prompt: words })).content
              : Chunk.toReadonlyArray(yield* Stream.runCollect(chat.streamText({ prompt: words })))
          const request = (yield* sent).at(-1)
          const secrets = secretsIn(request?.input ?? [])
          for (const secret of secrets) assert.isTrue(own[n]?.has(secret), "an item of another conversation")
          if (!throughJson[n]) {
            assert.strictEqual(secrets.length, own[n]?.size, "an item is missing")
            ids[n]?.add(request?.headers["session-id"])
            assert.isAtMost(ids[n]?.size ?? 0, 1)
          }
          for (const secret of secretsIn(keptOf(parts).flatMap(({ items }) => items))) own[n]?.add(secret)
        }
        const all = ids.flatMap((set) => [...set])
        assert.strictEqual(new Set(all).size, all.length, "two conversations have one id")
      }).pipe(Effect.provide(layer(always("OK.")))),
    { fastCheck: { numRuns: fewer(30) } }
  )
})

describe("a prompt rebuilt for each request", () => {
  const user = (content: string) => ({ role: "user", content }) as const
  const ok = { role: "assistant", content: "OK." } as const

  it.effect("is recognised by the whole conversation, not only by the answer", () =>
    Effect.gen(function* () {
      yield* LanguageModel.generateText({ prompt: [user("Hi")] })
      yield* LanguageModel.generateText({ prompt: [user("Hello"), ok, user("Go on")] })
      yield* LanguageModel.generateText({ prompt: [user("Hi"), ok, user("Go on")] })
      assert.deepStrictEqual(
        (yield* sent).map(({ input }) => outline(input)),
        ["user", "user assistant user", "user reasoning assistant user"]
      )
    }).pipe(Effect.provide(layer(always("OK."))))
  )

  it.effect("with two consecutive questions is not mistaken for one with an empty answer", () =>
    Effect.gen(function* () {
      yield* LanguageModel.generateText({ prompt: [user("Hi")] })
      const before = (yield* sent).length
      yield* LanguageModel.generateText({ prompt: [user("Hi"), user("Go on")] })
      assert.strictEqual(outline((yield* sent)[before]?.input ?? []), "user user")
    }).pipe(Effect.provide(layer(Script.always(Script.turn({ toolCalls: [{ name: "nope" }] })))))
  )

  it.effect("is recognised independent of key order and options", () =>
    Effect.gen(function* () {
      const call = (result: unknown, options = {}) =>
        [
          user("Hi"),
          {
            role: "assistant",
            content: [{ type: "tool-call", id: "call_1", name: "weather", params: { city: "Oslo" }, options }]
          },
          {
            role: "tool",
            content: [
              { type: "tool-result", id: "call_1", name: "weather", isFailure: false, providerExecuted: false, result }
            ]
          }
        ] as const
      yield* LanguageModel.generateText({ prompt: call({ degrees: 3, wind: { from: "W", speed: 5 } }) })
      const again = call({ wind: { speed: 5, from: "W" }, degrees: 3 }, { other: { id: 1 } })
      yield* LanguageModel.generateText({ prompt: [...again, ok, user("Go on")] })
      assert.strictEqual(
        outline((yield* sent).at(-1)?.input ?? []),
        "user call:weather output reasoning assistant user"
      )
    }).pipe(Effect.provide(layer(always("OK."))))
  )
})

describe("a chat", () => {
  it.effect("that went through JSON is recognised in the same process", () =>
    Effect.gen(function* () {
      const chat = yield* Chat.empty
      yield* Effect.provide(rounds(chat, "Where is it cold?"), handlers())
      const copy = yield* Effect.flatMap(chat.exportJson, Chat.fromJson)
      yield* copy.generateText({ prompt: "Thanks" })
      const requests = yield* sent
      assert.strictEqual(
        outline(requests.at(-1)?.input ?? []),
        "user reasoning call:weather output reasoning assistant user"
      )
      assert.strictEqual(new Set(requests.map(({ headers }) => headers["session-id"])).size, 1)
    }).pipe(
      Effect.provide(
        layer([
          Script.turn({ reasoning: [], toolCalls: [{ name: "weather", arguments: { city: "Prague", unit: "C" } }] }),
          Script.turn({ reasoning: [], text: "There." }),
          Script.turn({ text: "Bye." })
        ])
      )
    )
  )

  it.effect("that is loaded from its store for each prompt is recognised, too", () =>
    Effect.gen(function* () {
      const store = yield* Chat.Persistence
      for (const prompt of ["Hi", "Go on", "And on"]) {
        const chat = yield* store.getOrCreate("one")
        yield* Stream.runDrain(chat.streamText({ prompt }))
      }
      const requests = yield* sent
      assert.strictEqual(
        outline(requests.at(-1)?.input ?? []),
        "user reasoning assistant user reasoning assistant user"
      )
      assert.strictEqual(new Set(requests.map(({ headers }) => headers["session-id"])).size, 1)
    }).pipe(
      Effect.provide(Layer.provide(Chat.layerPersisted({ storeId: "chats" }), Persistence.layerMemory)),
      Effect.provide(layer(always("OK.")))
    )
  )

  it.effect("of another process continues without its reasoning, and reports it", () =>
    Effect.gen(function* () {
      const json = yield* Effect.flatMap(Chat.empty, (chat) =>
        Effect.zipRight(chat.generateText({ prompt: "Hi" }), chat.exportJson)
      ).pipe(Effect.provide(layer([Script.turn({ reasoning: "Hm.", text: "Hello" })])))
      yield* Effect.gen(function* () {
        const chat = yield* Chat.fromJson(json)
        const { content } = yield* chat.generateText({ prompt: "Thanks" })
        const finish = content.flatMap((part) => (part.type === "finish" ? [part] : []))[0]
        assert.deepStrictEqual(
          finish?.metadata.codex?.repairs.map(({ _tag }) => _tag),
          ["ReasoningDropped"]
        )
        assert.strictEqual(outline((yield* sent)[0]?.input ?? []), "user assistant user")
      }).pipe(Effect.provide(layer([Script.turn({ text: "Bye" })])))
    })
  )

  it.effect("whose answer was edited is sent as it was edited", () =>
    Effect.gen(function* () {
      const asked = Prompt.make("Hi")
      const { content } = yield* LanguageModel.generateText({ prompt: asked })
      const history = Prompt.merge(asked, CodexPrompt.fromResponseParts(content))
      const edited = Prompt.fromMessages(
        history.content.map((message) =>
          message.role === "assistant" ? { ...message, content: [Prompt.makePart("text", { text: "No." })] } : message
        )
      )
      yield* LanguageModel.generateText({ prompt: Prompt.merge(edited, "Go on") })
      const input = (yield* sent).at(-1)?.input ?? []
      assert.strictEqual(outline(input), "user assistant user")
      assert.include(JSON.stringify(input), "No.")
    }).pipe(Effect.provide(layer(always("OK."))))
  )
})

describe("CodexPrompt.fromResponseParts", () => {
  const calls = Script.turn({
    reasoning: "Hm.",
    text: "Look:",
    toolCalls: [
      { name: "weather", arguments: { city: "Prague" } },
      { name: "nope", arguments: {} }
    ]
  })
  for (const how of ["generateText", "streamText"] as const) {
    it.effect(`of ${how} keeps everything on the way into another process`, () =>
      Effect.gen(function* () {
        const json = yield* Effect.gen(function* () {
          const asked = Prompt.make("Go")
          const parts: ReadonlyArray<Response.AnyPart> =
            how === "generateText"
              ? (yield* LanguageModel.generateText({ prompt: asked, toolkit: tools })).content
              : Chunk.toReadonlyArray(
                  yield* Stream.runCollect(LanguageModel.streamText({ prompt: asked, toolkit: tools }))
                )
          const answer = CodexPrompt.fromResponseParts(parts)
          const id = (yield* sent)[0]?.headers["session-id"]
          return { id, json: yield* Schema.encode(Prompt.FromJson)(Prompt.merge(asked, answer)) }
        }).pipe(Effect.provide(layer([calls])), Effect.provide(handlers()))
        yield* Effect.gen(function* () {
          const history = yield* Schema.decode(Prompt.FromJson)(json.json)
          yield* LanguageModel.generateText({ prompt: history, toolkit: tools })
          const request = (yield* sent)[0]
          assert.strictEqual(
            outline(request?.input ?? []),
            "user reasoning assistant call:weather call:nope output output"
          )
          assert.strictEqual(secretsIn(request?.input ?? []).length, 1)
          assert.strictEqual(request?.headers["session-id"], json.id)
        }).pipe(Effect.provide(layer([Script.turn({ text: "Done." })])), Effect.provide(handlers()))
      })
    )
  }

  it("keeps the metadata of other providers as options", () => {
    const text = { type: "text", text: "Hi", metadata: { openai: { itemId: "msg_1" } } }
    const [message] = CodexPrompt.fromResponseParts([text as unknown as Response.AnyPart]).content
    assert.deepStrictEqual(message?.role === "assistant" ? message.content[0]?.options : undefined, {
      openai: { itemId: "msg_1" }
    })
  })
})

describe("encrypted reasoning that the server refuses", () => {
  const thinks = (text: string) => Script.turn({ reasoning: "Hm.", text })
  const refusal = Script.status(400, {
    body: { error: { message: "The encrypted content could not be verified.", code: null } }
  })
  const reasoningSent = Effect.map(sent, (all) => all.map(({ input }) => secretsIn(input ?? []).length))
  const another = (script: Script.Script, accountId: string) =>
    Layer.provideMerge(
      CodexLanguageModel.layer(),
      Codex.layer.pipe(
        Layer.provide(CodexConfig.layer()),
        Layer.provide(TestAuth.layer({ accountId })),
        Layer.provideMerge(ScriptedBackend.layer(script))
      )
    )
  const ask = (history: Prompt.Prompt, words: string) =>
    Effect.gen(function* () {
      const asked = Prompt.merge(history, words)
      const { content } = yield* LanguageModel.generateText({ prompt: asked })
      return Prompt.merge(asked, CodexPrompt.fromResponseParts(content))
    })
  const throughJson = (prompt: Prompt.Prompt) =>
    Effect.flatMap(Schema.encode(Prompt.FromJson)(prompt), Schema.decode(Prompt.FromJson))

  for (const how of ["generateText", "streamText"] as const) {
    it.effect(`is left out for good, and new reasoning stays: ${how}`, () =>
      Effect.gen(function* () {
        const chat = yield* Chat.empty
        for (const prompt of ["one", "two", "three", "four"]) {
          if (how === "generateText") yield* chat.generateText({ prompt })
          else yield* Stream.runDrain(chat.streamText({ prompt }))
        }
        assert.deepStrictEqual(yield* reasoningSent, [0, 1, 0, 1, 2])
        assert.notInclude(JSON.stringify(yield* sent), '"effect-codex":')
      }).pipe(Effect.provide(layer([thinks("A"), refusal, thinks("B"), thinks("C"), thinks("D")])))
    )
  }

  it.effect("is left out of the hidden requests of the same call, too", () =>
    Effect.gen(function* () {
      const chat = yield* Chat.empty
      yield* chat.generateText({ prompt: "one", toolkit: tools })
      yield* chat.generateText({ prompt: "two", toolkit: tools })
      yield* chat.generateText({ prompt: "three", toolkit: tools })
      assert.deepStrictEqual(yield* reasoningSent, [0, 1, 0, 1, 2])
    }).pipe(
      Effect.provide(handlers()),
      Effect.provide(
        layer([
          thinks("A"),
          refusal,
          Script.turn({ reasoning: "Hm.", toolCalls: [{ name: "nope", arguments: {} }] }),
          thinks("B"),
          thinks("C")
        ])
      )
    )
  )

  it.effect("is left out in another process as well", () =>
    Effect.gen(function* () {
      const stored = yield* Effect.gen(function* () {
        const first = yield* ask(Prompt.empty, "one")
        return yield* Effect.flatMap(ask(first, "two"), throughJson)
      }).pipe(Effect.provide(layer([thinks("A"), refusal, thinks("B")])))
      yield* Effect.gen(function* () {
        yield* ask(stored, "three")
        assert.deepStrictEqual(yield* reasoningSent, [1])
      }).pipe(Effect.provide(layer([thinks("C")])))
    })
  )

  it.effect("because it is of another account is not even sent", () =>
    Effect.gen(function* () {
      const stored = yield* Effect.flatMap(ask(Prompt.empty, "one"), throughJson).pipe(
        Effect.provide(another([thinks("A")], "acc_one"))
      )
      yield* Effect.gen(function* () {
        // the ids of a script begin anew with each backend
        yield* ask(Prompt.empty, "something else")
        const next = yield* ask(stored, "two")
        yield* ask(next, "three")
        assert.deepStrictEqual(yield* reasoningSent, [0, 0, 1])
      }).pipe(Effect.provide(another([thinks("B"), thinks("C"), thinks("D")], "acc_two")))
    })
  )
})

describe("the memory", () => {
  const turn = (n: number): TurnMemory.Remembered => ({
    items: [{ type: "message", role: "assistant", content: [{ type: "output_text", text: `${n}` }] }],
    answers: [],
    said: "",
    conversationId: `c${n}`
  })

  it("stays within its bound and forgets what was not used for longest", () => {
    const memory = TurnMemory.make({ maxTurns: 10, maxSize: 1_000_000 })
    const asked = Array.from({ length: 1000 }, () => ({}))
    asked.forEach((message, n) => {
      memory.remember({ digest: `${n}`, asked: message }, turn(n))
      assert.isAtMost(memory.size().turns, 10)
      assert.strictEqual(memory.recall({ digest: "0", asked: asked[0] })?.conversationId, "c0")
    })
    assert.isUndefined(memory.recall({ digest: "500", asked: asked[500] }))
    assert.strictEqual(memory.recall({ digest: "999", asked: asked[999] })?.conversationId, "c999")
  })

  it("stays within its size for any turns", () => {
    const one = JSON.stringify(turn(0)).length
    const memory = TurnMemory.make({ maxTurns: 1000, maxSize: 5 * one })
    for (let n = 0; n < 10; n++) memory.remember({ digest: `${n}`, asked: {} }, turn(n))
    assert.isAtMost(memory.size().size, 5 * one)
    assert.strictEqual(memory.size().turns, 5)
    memory.remember({ digest: "large", asked: {} }, { ...turn(0), said: "x".repeat(6 * one) })
    assert.strictEqual(memory.size().turns, 5)
  })

  it.effect("works after many chats, and a current chat is still recognised", () =>
    Effect.gen(function* () {
      const last = yield* Effect.forEach(
        Array.from({ length: 100 }, (_, n) => n),
        (n) => Effect.flatMap(Chat.empty, (chat) => Effect.as(chat.generateText({ prompt: `Hi ${n}` }), chat))
      )
      yield* (last.at(-1) as Chat.Service).generateText({ prompt: "Go on" })
      yield* (last.at(0) as Chat.Service).generateText({ prompt: "Go on" })
      const [recent, old] = (yield* sent).slice(-2)
      assert.strictEqual(outline(recent?.input ?? []), "user reasoning assistant user")
      assert.strictEqual(outline(old?.input ?? []), "user assistant user")
    }).pipe(Effect.provide(layer(always("OK."), { memory: { maxTurns: 10 } })))
  )
})

it.effect("the routing token of a turn is sent with the answers to its calls, and not later", () =>
  Effect.gen(function* () {
    const chat = yield* Chat.empty
    yield* Effect.provide(rounds(chat, "Go"), handlers())
    yield* chat.generateText({ prompt: "Thanks" })
    const backend = yield* ScriptedBackend.ScriptedBackend
    assert.deepStrictEqual(
      (yield* backend.requests).map(({ headers }) => headers["x-codex-turn-state"]),
      [undefined, "token_1", undefined]
    )
  }).pipe(
    Effect.provide(
      layer([
        Script.turn({ toolCalls: [{ name: "clock" }] }).pipe(Script.headers({ "x-codex-turn-state": "token_1" })),
        Script.turn({ text: "Noon." }).pipe(Script.headers({ "x-codex-turn-state": "token_1" })),
        Script.turn({ text: "Bye." })
      ])
    )
  )
)
