/** Many conversations on one client in one process, over real sockets: everybody gets his own answers. */

import { assert, describe, it } from "@effect/vitest"
import { Script, TestAuth } from "@effect-codex/testing"
import { BackendServer } from "@effect-codex/testing/node"
import * as TransportNode from "@effect-codex/transport/node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Codex, CodexConfig, Conversation } from "effect-codex"

interface Body {
  readonly prompt_cache_key: string
  readonly input: ReadonlyArray<{ readonly role?: string; readonly content?: ReadonlyArray<{ readonly text: string }> }>
}

/** Says back what it was told, and in which conversation. */
const echo: Script.Responder = (request) => {
  const { input, prompt_cache_key } = request.body as Body
  const heard = input.flatMap((item) => (item.role === "user" ? (item.content ?? []).map(({ text }) => text) : []))
  return Script.turn({ text: `${prompt_cache_key} heard ${heard.join(", ")}` })
}

const client = Layer.unwrapEffect(
  Effect.map(BackendServer.BackendServer, ({ url }) =>
    Layer.provide(Codex.layerCarrier, CodexConfig.layer({ baseUrl: url }))
  )
).pipe(
  Layer.provide(BackendServer.layer({ script: echo })),
  Layer.provide(TestAuth.layer()),
  Layer.provide(TransportNode.layer())
)

/** With `EXHAUSTIVE=1` the full number. */
const count = process.env["EXHAUSTIVE"] === "1" ? 1000 : 100

describe(`${count} conversations at once`, () => {
  it.live(
    "get their own answers",
    () =>
      Effect.gen(function* () {
        yield* Effect.forEach(
          Array.from({ length: count }, (_, n) => n),
          (n) =>
            Effect.gen(function* () {
              const conversation = yield* Conversation.make({ conversationId: `conversation-${n}` })
              const first = yield* conversation.send(`a${n}`)
              const second = yield* conversation.send(`b${n}`)
              assert.strictEqual(first.text, `conversation-${n} heard a${n}`)
              assert.strictEqual(second.text, `conversation-${n} heard a${n}, b${n}`)
            }),
          { concurrency: "unbounded", discard: true }
        )
      }).pipe(Effect.provide(client)),
    120_000
  )
})
