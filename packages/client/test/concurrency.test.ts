/** Many conversations on one client in one process, over real sockets: everybody gets his own answers. */

import { assert, describe, it } from "@effect/vitest"
import { Script, TestAuth } from "@effect-codex/testing"
import { BackendServer } from "@effect-codex/testing/node"
import * as TransportNode from "@effect-codex/transport/node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Codex, CodexConfig, Conversation } from "effect-codex"
import { exhaustive } from "../../../test/exhaustive.ts"

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

const client = (url: string, transport: "sse" | "websocket") =>
  Codex.layerCarrier.pipe(
    Layer.provide(CodexConfig.layer({ baseUrl: url, transport })),
    Layer.provide(TestAuth.layer()),
    Layer.provide(TransportNode.layer())
  )

const count = exhaustive ? 1000 : 50

/** Three turns of one conversation. */
const talk = (n: number) =>
  Effect.gen(function* () {
    const conversation = yield* Conversation.make({ conversationId: `conversation-${n}` })
    const said: Array<string> = []
    for (const letter of ["a", "b", "c"]) {
      said.push(`${letter}${n}`)
      const { text } = yield* conversation.send(`${letter}${n}`)
      assert.strictEqual(text, `conversation-${n} heard ${said.join(", ")}`)
    }
  })

describe(`${count} conversations at once`, () => {
  for (const transport of ["sse", "websocket"] as const) {
    it.scopedLive(
      `get their own answers, and leave no connection behind (${transport})`,
      () =>
        Effect.gen(function* () {
          const server = yield* BackendServer.make({ script: echo })
          const all = Effect.forEach(
            Array.from({ length: count }, (_, n) => n),
            talk,
            { concurrency: "unbounded", discard: true }
          )
          yield* Effect.provide(all, client(server.url, transport))
          assert.lengthOf(yield* server.requests, 3 * count)
          if (transport === "websocket") assert.isAtLeast((yield* server.sockets).opened, count)
          // the server notices a moment later
          const open = Effect.zipWith(
            server.openConnections,
            server.sockets,
            (connections, { open }) => connections + open
          )
          yield* Effect.repeat(Effect.delay(open, "5 millis"), { until: (open) => open === 0 })
        }),
      120_000
    )
  }
})
