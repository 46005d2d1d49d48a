/**
 * The whole client with a scripted backend.
 *
 * @since 0.1.0
 */
import { CodexConfig, type TransportError } from "@effect-codex/transport"
import * as Layer from "effect/Layer"
import { Codex } from "effect-codex"
import type * as Script from "./Script.ts"
import * as ScriptedBackend from "./ScriptedBackend.ts"
import * as StrictBackend from "./StrictBackend.ts"
import * as TestAuth from "./TestAuth.ts"

/**
 * `Codex` over a scripted backend with a test login, and the backend with its received requests. It uses the `Clock` of
 * the test: with `TestClock`, a retry waits until the clock is adjusted.
 *
 * @example
 * ```ts
 * import * as Script from "@effect-codex/testing/Script"
 * import * as TestCodex from "@effect-codex/testing/TestCodex"
 * import * as Effect from "effect/Effect"
 * import { Codex } from "effect-codex"
 *
 * const turn = Effect.flatMap(Codex.Codex, (codex) => codex.turn({ prompt: "Hi" })).pipe(
 *   Effect.provide(TestCodex.layer([Script.turn({ text: "Hello" })]))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  script: Script.Script,
  config?: CodexConfig.Options,
  options?: ScriptedBackend.Options
): Layer.Layer<Codex.Parts | ScriptedBackend.ScriptedBackend, TransportError.InvalidConfig> =>
  Codex.layer.pipe(
    Layer.provide(CodexConfig.layer(config)),
    Layer.provide(TestAuth.layer()),
    Layer.provideMerge(ScriptedBackend.layer(script, options))
  )

/**
 * `Codex` with a strict backend and a valid login, which is refreshed when needed. A request that the real backend
 * would reject fails here too.
 *
 * @example
 * ```ts
 * import * as StrictBackend from "@effect-codex/testing/StrictBackend"
 * import * as TestCodex from "@effect-codex/testing/TestCodex"
 * import * as Effect from "effect/Effect"
 * import { Codex } from "effect-codex"
 *
 * // fails with UsageLimit
 * const turn = Effect.gen(function* () {
 *   const backend = yield* StrictBackend.StrictBackend
 *   yield* backend.fillWindow("primary", 100)
 *   return yield* (yield* Codex.Codex).turn({ prompt: "Hi" })
 * }).pipe(Effect.provide(TestCodex.layerStrict()))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStrict = (
  options?: StrictBackend.Options & ScriptedBackend.Options,
  config?: CodexConfig.Options
): Layer.Layer<
  Codex.Parts | ScriptedBackend.ScriptedBackend | StrictBackend.StrictBackend,
  TransportError.InvalidConfig | StrictBackend.UnknownAccount
> =>
  Codex.layer.pipe(
    Layer.provide(CodexConfig.layer(config)),
    Layer.provide(StrictBackend.layerAuth()),
    Layer.provideMerge(StrictBackend.layer(options))
  )
