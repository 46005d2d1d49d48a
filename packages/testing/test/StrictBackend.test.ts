/** The strict backend with the client of this library, without sockets and over them. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import { BackendServer } from "@effect-codex/testing/node"
import * as Script from "@effect-codex/testing/Script"
import * as ScriptedBackend from "@effect-codex/testing/ScriptedBackend"
import * as StrictBackend from "@effect-codex/testing/StrictBackend"
import * as TestCodex from "@effect-codex/testing/TestCodex"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { Codex, CodexConfig } from "effect-codex"
import { body, credentials, items, post, user } from "./strict/support.ts"

describe("TestCodex.layerStrict", () => {
  it.effect("answers what the client sends, turn after turn", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const backend = yield* StrictBackend.StrictBackend
      assert.strictEqual((yield* codex.turn({ prompt: "Hi" })).text, "You said: Hi")
      assert.strictEqual((yield* codex.models).source, "server")
      assert.deepInclude(yield* codex.usage, { planType: "plus" })
      assert.deepStrictEqual(yield* backend.refusals, [])
    }).pipe(Effect.provide(TestCodex.layerStrict()))
  )

  it.effect("lets the client find its way back from an expired token", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const backend = yield* StrictBackend.StrictBackend
      yield* backend.expireTokens()
      assert.strictEqual((yield* codex.turn({ prompt: "Hi" })).text, "You said: Hi")
      const { requests } = yield* ScriptedBackend.ScriptedBackend
      assert.deepStrictEqual(
        (yield* requests).map(({ path }) => path),
        ["/backend-api/codex/responses", "/oauth/token", "/backend-api/codex/responses"]
      )
      yield* backend.endLogins()
      const over = yield* Effect.fork(Effect.flip(codex.turn({ prompt: "Hi" })))
      // the client looks for a while whether another process has refreshed
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(over))._tag, "LoginExpired")
    }).pipe(Effect.provide(TestCodex.layerStrict()))
  )

  it.effect("tells the client of a full window, until it ends", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const backend = yield* StrictBackend.StrictBackend
      yield* backend.fillWindow("primary", 100)
      const error = yield* Effect.flip(codex.turn({ prompt: "Hi" }))
      assert.strictEqual(error._tag, "UsageLimit")
      yield* TestClock.adjust("5 hours")
      assert.strictEqual((yield* codex.turn({ prompt: "Hi" })).text, "You said: Hi")
    }).pipe(Effect.provide(TestCodex.layerStrict()))
  )
})

describe("encrypted content", () => {
  const script = Script.always(Script.turn({ reasoning: "Hm.", text: "Well." }))
  const accounts = [{ id: "acc_a" }, { id: "acc_b" }]

  const conversation = Effect.gen(function* () {
    const headers = yield* credentials("acc_a")
    const first = yield* post(body(), headers)
    return { headers, history: [user("Hi"), ...items(first.text), user("And?")] }
  })

  it.effect("goes back to the account it was issued to, and to no other", () =>
    Effect.gen(function* () {
      const { headers, history } = yield* conversation
      assert.strictEqual((yield* post(body({ input: history }), headers)).status, 200)
      const other = yield* post(body({ input: history }), yield* credentials("acc_b"))
      assert.deepInclude(other.error, { code: "invalid_encrypted_content", param: null })
      // another login of the account is the same account
      assert.strictEqual((yield* post(body({ input: history }), yield* credentials("acc_a"))).status, 200)
    }).pipe(Effect.provide(StrictBackend.layer({ accounts, script })))
  )

  it.effect("is no other backend's, however alike their scripts", () =>
    Effect.gen(function* () {
      const { history } = yield* conversation.pipe(Effect.provide(StrictBackend.layer({ accounts, script })))
      const refused = yield* Effect.gen(function* () {
        const headers = yield* credentials("acc_a")
        yield* post(body(), headers)
        return yield* post(body({ input: history }), headers)
      }).pipe(Effect.provide(StrictBackend.layer({ accounts, script })))
      assert.strictEqual(refused.error.code, "invalid_encrypted_content")
    })
  )

  it.effect("that was changed on the way, or was never sent, is refused", () =>
    Effect.gen(function* () {
      const { headers, history } = yield* conversation
      const text = JSON.stringify(history)
      const changed = JSON.parse(text.replace(/(gAAAAAB[^"]{10})./, "$1_"))
      assert.strictEqual((yield* post(body({ input: changed }), headers)).error.code, "invalid_encrypted_content")
    }).pipe(Effect.provide(StrictBackend.layer({ accounts, script })))
  )

  it.effect("comes with a compaction where one is asked for, and only to who wants it", () =>
    Effect.gen(function* () {
      const headers = yield* credentials()
      const compacted = yield* post(body({ input: [user("Hi"), { type: "compaction_trigger" }] }), headers)
      const [compaction, ...more] = items(compacted.text)
      assert.deepStrictEqual(more, [])
      assert.strictEqual(compaction?.["type"], "compaction")
      const next = yield* post(body({ input: [user("Hi"), compaction, user("And?")] }), headers)
      assert.strictEqual(next.status, 200)
      const plain = yield* post(body({ include: undefined }), headers)
      assert.notInclude(plain.text, "encrypted_content")
    }).pipe(Effect.provide(StrictBackend.layer()))
  )
})

describe("a script on top", () => {
  it.effect("is asked about the requests that pass, and says how they are answered", () =>
    Effect.gen(function* () {
      const headers = yield* credentials()
      yield* post(body({ store: true }), headers)
      const first = yield* post(body(), headers)
      assert.include(first.text, "One")
      assert.strictEqual(first.headers["openai-model"], "gpt-5.5")
      assert.strictEqual(first.headers["x-reasoning-included"], "true")
      assert.match(first.headers["x-codex-turn-state"] ?? "", /^ts_/)
      const second = yield* post(body(), { ...headers, "x-codex-turn-state": "ts_1" })
      assert.strictEqual(second.status, 503)
      assert.isUndefined(second.headers["x-codex-turn-state"])
      assert.strictEqual(second.headers["x-codex-plan-type"], "odd")
    }).pipe(
      Effect.provide(
        StrictBackend.layer({
          script: [Script.turn({ text: "One" }), Script.status(503, { headers: { "x-codex-plan-type": "odd" } })]
        })
      )
    )
  )

  it.effect("can wait for the test", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      yield* Effect.gen(function* () {
        const fiber = yield* Effect.fork(Effect.flatMap(credentials(), (headers) => post(body(), headers)))
        yield* TestClock.adjust("1 hour")
        assert.isNull(
          yield* fiber.pipe(
            Fiber.poll,
            Effect.map((exit) => (exit._tag === "None" ? null : exit))
          )
        )
        yield* Deferred.succeed(gate, void 0)
        assert.include((yield* Fiber.join(fiber)).text, "Now")
      }).pipe(
        Effect.provide(
          StrictBackend.layer({ script: () => Effect.as(Deferred.await(gate), Script.turn({ text: "Now" })) })
        )
      )
    })
  )
})

describe("over sockets", () => {
  it.scopedLive("a client logs in at the origin of the URL and takes turns", () =>
    Effect.gen(function* () {
      const { url } = yield* BackendServer.BackendServer
      const backend = yield* StrictBackend.StrictBackend
      const codex = Codex.layer.pipe(
        Layer.provide(CodexConfig.layer({ baseUrl: url })),
        Layer.provide(StrictBackend.layerAuth({ issuer: new URL(url).origin })),
        Layer.provide(NodeHttpClient.layerUndici)
      )
      yield* Effect.gen(function* () {
        const codex = yield* Codex.Codex
        assert.strictEqual((yield* codex.turn({ prompt: "Hi" })).text, "You said: Hi")
        yield* backend.expireTokens()
        assert.strictEqual((yield* codex.turn({ prompt: "Ho" })).text, "You said: Ho")
        yield* backend.fillWindow("primary", 100)
        assert.strictEqual((yield* Effect.flip(codex.turn({ prompt: "He" })))._tag, "UsageLimit")
        yield* backend.elapse("5 hours")
        assert.strictEqual((yield* codex.turn({ prompt: "Ha" })).text, "You said: Ha")
      }).pipe(Effect.provide(codex))
    }).pipe(Effect.provide(BackendServer.layerStrict()))
  )
})
