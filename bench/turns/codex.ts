import { CodexAuth } from "@effect-codex/auth"
import * as TransportNode from "@effect-codex/transport/node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { Codex, CodexConfig } from "effect-codex"
import type { Contestant } from "./contestants.ts"
import { accessToken, instructions, model, prompt } from "./request.ts"

/** `Codex` over the HTTP client of `@effect-codex/transport/node`, in a runtime of its own. */
export const runtime = (baseUrl: string) =>
  ManagedRuntime.make(
    Codex.layerCarrier.pipe(
      Layer.provide(CodexConfig.layer({ baseUrl, model })),
      Layer.provide(CodexAuth.layerToken({ accessToken: Redacted.make(accessToken) })),
      Layer.provide(TransportNode.layer({ proxy: "none" }))
    )
  )

const effectCodex =
  (take: (codex: Codex.Service, onText: (text: string) => void) => Effect.Effect<void, unknown>): Contestant =>
  async (baseUrl) => {
    const running = runtime(baseUrl)
    const codex = await running.runPromise(Codex.Codex)
    return (onText) => running.runPromise(take(codex, onText))
  }

export const turn = effectCodex((codex, onText) =>
  Effect.map(codex.turn({ instructions, prompt }), ({ text }) => onText(text))
)

export const stream = effectCodex((codex, onText) =>
  Stream.runForEachChunk(codex.stream({ instructions, prompt }), (events) =>
    Effect.sync(() => {
      for (const event of events) if (event._tag === "TextDelta") onText(event.delta)
    })
  )
)
