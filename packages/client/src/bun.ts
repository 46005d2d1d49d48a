/**
 * The whole client on Bun in one Layer, over Bun's own `fetch`.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as AuthNode from "@effect-codex/auth/node"
import { CodexConfig, type TransportError } from "@effect-codex/transport"
import type * as ConfigError from "effect/ConfigError"
import * as Layer from "effect/Layer"
import * as Codex from "./Codex.ts"

/**
 * The options of the Layer. `config` overrides the environment.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface Options {
  readonly config?: CodexConfig.Options | undefined
  /** The source of the login. Default: the environment, then the Codex CLI's credential file. */
  readonly auth?: Parameters<typeof AuthNode.layer>[0] | undefined
}

/** Turns off the five-minute timeout of Bun's `fetch`. The `timeouts` of the configuration apply instead. */
const unlimited: RequestInit & { readonly timeout: false } = { timeout: false }

/**
 * `Codex` with all its dependencies, like `layer` of `effect-codex/node`. Bun replaces undici, so requests use Bun's
 * `fetch`, which reads `HTTPS_PROXY` and `NO_PROXY` itself.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Codex } from "effect-codex"
 * import * as CodexBun from "effect-codex/bun"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const codex = yield* Codex.Codex
 *   return yield* codex.turn({ prompt: "Say hello." })
 * }).pipe(Effect.provide(CodexBun.layer()))
 * ```
 */
export const layer = (
  options: Options = {}
): Layer.Layer<Codex.Parts, TransportError.InvalidConfig | ConfigError.ConfigError> =>
  Codex.layer.pipe(
    Layer.provide(CodexConfig.layerConfig(options.config)),
    Layer.provide(AuthNode.layer(options.auth)),
    Layer.provide(FetchHttpClient.layer),
    Layer.provide(Layer.succeed(FetchHttpClient.RequestInit, unlimited))
  )
