/** Turns over WebSockets, over real sockets. */

import { assert, describe, it } from "@effect/vitest"
import { Script, TestAuth } from "@effect-codex/testing"
import { BackendServer } from "@effect-codex/testing/node"
import * as TransportNode from "@effect-codex/transport/node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Codex, CodexConfig, Conversation } from "effect-codex"
import * as Rows from "./webSocketRows.ts"

const client = (
  script: Script.Script,
  config: CodexConfig.Options = { transport: "websocket" },
  { handshakes = [], refreshes = 0 }: Pick<Rows.Row, "handshakes" | "refreshes"> = {}
) =>
  Layer.unwrapEffect(
    Effect.map(BackendServer.BackendServer, ({ url }) =>
      Layer.provide(Codex.layerCarrier, CodexConfig.layer({ baseUrl: url, ...config }))
    )
  ).pipe(
    Layer.provideMerge(BackendServer.layer({ script, handshakes, onUnexpected: "answer" })),
    Layer.provide(TestAuth.layer({ refreshes })),
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

  it.live(
    "fibers that share a conversation take turns on its socket, and two that go on from one past do not share one",
    () =>
      Effect.gen(function* () {
        const conversation = yield* Conversation.make()
        const turns = yield* Effect.all([conversation.send("one"), conversation.send("two"), conversation.connect()], {
          concurrency: "unbounded"
        }).pipe(Effect.scoped)
        assert.deepStrictEqual([turns[0].text, turns[1].text], ["1", "2"])
        const snapshot = yield* conversation.snapshot
        const twins = yield* Effect.replicateEffect(Conversation.resume(snapshot), 2)
        const texts = yield* Effect.forEach(twins, ({ send }) => send("three"), { concurrency: "unbounded" })
        assert.sameMembers(
          texts.map(({ text }) => text),
          ["3", "4"]
        )
        const [one, two, ...others] = yield* ways
        assert.deepStrictEqual([one, two], [1, 1])
        assert.strictEqual(new Set(others).size, 2)
      }).pipe(
        Effect.provide(client(({ number }) => Script.turn({ text: `${number}` }).pipe(Script.delay("20 millis"))))
      )
  )

  it.scopedLive("a turn that is interrupted at any moment leaves no socket, and the next one is whole", () =>
    Effect.gen(function* () {
      const server = yield* BackendServer.make({
        script: () => Script.turn({ text: "Whole." }).pipe(Script.drip("1 millis"))
      })
      const layer = Codex.layerCarrier.pipe(
        Layer.provide(CodexConfig.layer({ baseUrl: server.url, transport: "websocket" })),
        Layer.provide(TestAuth.layer()),
        Layer.provide(TransportNode.layer())
      )
      yield* Effect.provide(
        Effect.forEach(
          Array.from({ length: 60 }, (_, n) => n / 2),
          (millis) =>
            Effect.gen(function* () {
              const conversation = yield* Conversation.make()
              yield* Effect.timeoutOption(conversation.send("one"), millis)
              assert.strictEqual((yield* conversation.send("two")).text, "Whole.")
            }),
          { concurrency: 4 }
        ),
        layer
      )
      yield* Effect.repeat(Effect.delay(server.openConnections, "5 millis"), { until: (open) => open === 0 })
    })
  )

  for (const row of Rows.rows) {
    it.live(row.name, () =>
      Effect.gen(function* () {
        const backend = yield* BackendServer.BackendServer
        yield* Rows.check(row, backend, (effect) => effect)
      }).pipe(Effect.provide(client(row.script, Rows.configOf(row, "real"), row)))
    )
  }
})
