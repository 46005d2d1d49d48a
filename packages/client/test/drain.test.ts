/** The connection of a finished turn serves the next one, over real sockets. */
import { assert, describe, it } from "@effect/vitest"
import { Script, TestAuth } from "@effect-codex/testing"
import { BackendServer } from "@effect-codex/testing/node"
import * as TransportNode from "@effect-codex/transport/node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Codex, CodexConfig } from "effect-codex"

const turn = { text: "Hello" }
const events = Script.turnEvents(turn).length

const client = (url: string, over: typeof Codex.layerCarrier | typeof Codex.layer) =>
  Layer.provide(over as typeof Codex.layer, [
    CodexConfig.layer({ baseUrl: url }),
    TestAuth.layer(),
    TransportNode.layer({ proxy: "none" })
  ])

describe("five turns, whose bodies end a while after their last event, use one connection", () => {
  // a comment comes 30 ms behind the terminal event, and the end of the body with it
  const script = Script.always(Script.turn(turn).pipe(Script.keepAlive("30 millis", 1, { after: events })))

  for (const [name, layer] of Object.entries({ dispatcher: Codex.layerCarrier, HttpClient: Codex.layer })) {
    for (const [form, ask] of Object.entries({
      turn: Effect.flatMap(Codex.Codex, (codex) => codex.turn({ prompt: "?" })),
      stream: Effect.flatMap(Codex.Codex, (codex) => Stream.runDrain(codex.stream({ prompt: "?" })))
    })) {
      it.scopedLive(`Codex.${form} over ${name}`, () =>
        Effect.gen(function* () {
          const server = yield* BackendServer.make({ script })
          yield* Effect.gen(function* () {
            for (let n = 0; n < 5; n++) {
              yield* ask
              yield* Effect.sleep("100 millis")
            }
          }).pipe(Effect.provide(client(server.url, layer)))
          assert.strictEqual(yield* server.connections, 1)
          assert.lengthOf(yield* server.requests, 5)
        })
      )
    }
  }
})

describe("a body that does not end", () => {
  it.scopedLive("does not keep the turn waiting, and is given up", () =>
    Effect.gen(function* () {
      const server = yield* BackendServer.make({ script: [Script.turn(turn).pipe(Script.holdOpen)] })
      yield* Effect.gen(function* () {
        const codex = yield* Codex.Codex
        assert.strictEqual((yield* codex.turn({ prompt: "?" })).text, "Hello")
        yield* Effect.timeout(server.aborted(1), "10 seconds")
      }).pipe(Effect.provide(client(server.url, Codex.layerCarrier)))
    })
  )

  it.scopedLive("is closed with the client's Layer", () =>
    Effect.gen(function* () {
      const server = yield* BackendServer.make({ script: [Script.turn(turn).pipe(Script.holdOpen)] })
      yield* Effect.flatMap(Codex.Codex, (codex) => codex.turn({ prompt: "?" })).pipe(
        Effect.provide(client(server.url, Codex.layerCarrier))
      )
      yield* Effect.timeout(server.aborted(1), "10 seconds")
    })
  )
})
