import type * as HttpClient from "@effect/platform/HttpClient"
import { CodexAuth } from "@effect-codex/auth"
import * as TransportNode from "@effect-codex/transport/node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { type Carrier, Codex, CodexConfig } from "effect-codex"
import type { Contestant } from "./contestants.ts"
import { accessToken, instructions, model, prompt } from "./request.ts"

type Client = Layer.Layer<
  Codex.Parts,
  never,
  CodexConfig.CodexConfig | CodexAuth.CodexAuth | Carrier.Carrier | HttpClient.HttpClient
>

/** `Codex` over the connections of `@effect-codex/transport/node`, in a runtime of its own. */
export const runtime = (baseUrl: string, layer: Client = Codex.layerCarrier) =>
  ManagedRuntime.make(
    Layer.provide(layer, [
      CodexConfig.layer({ baseUrl, model }),
      CodexAuth.layerToken({ accessToken: Redacted.make(accessToken) }),
      TransportNode.layer({ proxy: "none", maxConnections: 4096 })
    ])
  )

const contestant =
  (
    take: (codex: Codex.Service, onText: (text: string) => void) => Effect.Effect<void, unknown>,
    layer?: Client
  ): Contestant =>
  async (baseUrl) => {
    const running = runtime(baseUrl, layer)
    const codex = await running.runPromise(Codex.Codex)
    return (onText) => running.runPromise(take(codex, onText))
  }

const takeTurn = (codex: Codex.Service, onText: (text: string) => void) =>
  Effect.map(codex.turn({ instructions, prompt }), ({ text }) => onText(text))

export const turn = contestant(takeTurn)

/** The same through undici as an `HttpClient`, which a program may have wrapped. */
export const turnOverHttpClient = contestant(takeTurn, Codex.layer)

export const stream = contestant((codex, onText) =>
  Stream.runForEachChunk(codex.stream({ instructions, prompt }), (events) =>
    Effect.sync(() => {
      for (const event of events) if (event._tag === "TextDelta") onText(event.delta)
    })
  )
)
