/** Turns over WebSockets, over real sockets. */

import { assert, describe, it } from "@effect/vitest"
import { Script, type ScriptedBackend, TestAuth } from "@effect-codex/testing"
import { BackendServer } from "@effect-codex/testing/node"
import * as TransportNode from "@effect-codex/transport/node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Codex, CodexConfig, Conversation } from "effect-codex"

const client = (
  script: Script.Script,
  transport: "auto" | "websocket" = "websocket",
  handshakes: ReadonlyArray<ScriptedBackend.Handshake> = []
) =>
  Layer.unwrapEffect(
    Effect.map(BackendServer.BackendServer, ({ url }) =>
      Layer.provide(
        Codex.layerCarrier,
        CodexConfig.layer({ baseUrl: url, transport, retry: { baseDelay: "1 millis" } })
      )
    )
  ).pipe(
    Layer.provideMerge(BackendServer.layer({ script, handshakes })),
    Layer.provide(TestAuth.layer()),
    Layer.provide(TransportNode.layer())
  )

const ways = Effect.flatMap(BackendServer.BackendServer, ({ requests }) =>
  Effect.map(requests, (all) => all.map(({ message }) => message?.socket ?? 0))
)

const twoTurns = Effect.gen(function* () {
  const conversation = yield* Conversation.make()
  const first = yield* conversation.send("one")
  const second = yield* conversation.send("two")
  return [first.text, second.text]
})

const answers = [Script.turn({ text: "A" }), Script.turn({ text: "B" })]

describe("over real sockets", () => {
  it.live("a conversation sends only what is new", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* twoTurns, ["A", "B"])
      assert.deepStrictEqual(yield* ways, [1, 1])
      const backend = yield* BackendServer.BackendServer
      const sent = JSON.parse((yield* backend.requests)[1]?.message?.text ?? "{}")
      assert.strictEqual(sent.previous_response_id, "resp_1")
      assert.strictEqual(sent.input.length, 1)
    }).pipe(Effect.provide(client(answers)))
  )

  it.live("a refused handshake has its status: 426 and 403 lead to SSE", () =>
    Effect.gen(function* () {
      for (const status of [426, 403]) {
        const [texts, went] = yield* Effect.provide(
          Effect.all([twoTurns, ways]),
          client(answers, "auto", [{ status, body: "No" }, { status }])
        )
        assert.deepStrictEqual(texts, ["A", "B"])
        assert.deepStrictEqual(went, [0, 0])
      }
      const error = yield* Effect.provide(Effect.flip(twoTurns), client([], "websocket", [{ status: 404 }]))
      assert.strictEqual(error.status, 404)
    })
  )

  it.live("a socket that is closed or reset, or whose cache is lost, gives way to a new one", () =>
    Effect.gen(function* () {
      const [first = Script.silence, second = Script.silence] = answers
      const lost = Script.events([{ type: "error", status: 400, error: { code: "previous_response_not_found" } }])
      for (const step of [second.pipe(Script.truncateAfterEvents(2)), Script.resetBeforeHeaders, lost]) {
        const [texts, went] = yield* Effect.provide(Effect.all([twoTurns, ways]), client([first, step, second]))
        assert.deepStrictEqual(texts, ["A", "B"])
        assert.deepStrictEqual(went, [1, 1, 2])
      }
    })
  )
})
