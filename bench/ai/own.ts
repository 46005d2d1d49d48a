/** `@effect-codex/ai`, and `Codex.stream` below it. */

import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { CodexLanguageModel } from "@effect-codex/ai"
import { CodexAuth } from "@effect-codex/auth"
import * as TransportNode from "@effect-codex/transport/node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { Codex, CodexConfig } from "effect-codex"
import { accessToken } from "../turns/request.ts"
import { serve } from "./contestant.mjs"

const codex = (baseUrl: string) => {
  const settings = Layer.merge(
    CodexConfig.layer({ baseUrl, retry: { retries: 0, outageRetries: 0 } }),
    CodexAuth.layerToken({ accessToken: Redacted.make(accessToken) })
  )
  return process.argv.includes("fetch")
    ? Layer.provide(Codex.layer, Layer.merge(settings, FetchHttpClient.layer))
    : Layer.provide(Codex.layerCarrier, Layer.merge(settings, TransportNode.layer({ proxy: "none" })))
}

const native = (task: { readonly base: string; readonly turns: number }) =>
  Effect.gen(function* () {
    const service = yield* Codex.Codex
    const one = service
      .stream({ prompt: "Hi" })
      .pipe(Stream.runFold(0, (length, event) => length + (event._tag === "TextDelta" ? event.delta.length : 0)))
    let length = yield* one
    const start = process.cpuUsage()
    for (let n = 0; n < task.turns; n++) length = yield* one
    const { system, user } = process.cpuUsage(start)
    return { length, cpuMillis: (system + user) / 1000 / task.turns }
  }).pipe(Effect.provide(codex(task.base)), Effect.runPromise)

if (process.argv.includes("native")) {
  process.on("message", (task: { readonly base: string; readonly turns: number }) => {
    void native(task).then(
      (answer) => process.send?.({ answer }),
      (error) => process.send?.({ error: String(error) })
    )
  })
  process.on("disconnect", () => process.exit())
  process.send?.({ ready: true })
} else {
  serve((base) => Layer.provide(CodexLanguageModel.layer(), codex(base)))
}
