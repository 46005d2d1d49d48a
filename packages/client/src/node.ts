/**
 * The whole client on Node in one Layer.
 *
 * @since 0.1.0
 */
import * as AuthNode from "@effect-codex/auth/node"
import { CodexConfig, type TransportError } from "@effect-codex/transport"
import * as TransportNode from "@effect-codex/transport/node"
import type * as ConfigError from "effect/ConfigError"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Codex from "./Codex.ts"
import type * as Doctor from "./Doctor.ts"
import * as NodeDoctor from "./node/doctor.ts"

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
  readonly http?: TransportNode.Options | undefined
}

/**
 * @since 0.1.0
 * @category configuration
 */
export interface DoctorOptions extends Options {
  /** Also sends one small turn, which costs some tokens, to detect a proxy that buffers streams. Default: `false`. */
  readonly turn?: boolean | undefined
}

/**
 * `Codex` with all its dependencies: settings from `options.config`, then from the environment (see
 * `CodexConfig.config`), the login from `OPENAI_CODEX_ACCESS_TOKEN` or the Codex CLI's credential file, and connections
 * over undici with the limits of this library.
 *
 * To replace a part, provide `Codex.layer` or `Codex.layerCarrier` with your own Layers.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Codex } from "effect-codex"
 * import * as CodexNode from "effect-codex/node"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const codex = yield* Codex.Codex
 *   return yield* codex.turn({ prompt: "Say hello." })
 * }).pipe(Effect.provide(CodexNode.layer()))
 * ```
 */
export const layer = (
  options: Options = {}
): Layer.Layer<Codex.Parts, TransportError.InvalidConfig | ConfigError.ConfigError> =>
  Codex.layerCarrier.pipe(
    Layer.provide(CodexConfig.layerConfig(options.config)),
    Layer.provide(AuthNode.layer(options.auth)),
    Layer.provide(TransportNode.layer(options.http))
  )

/**
 * Runs `Doctor.examine` with the settings, the login and the connections that {@link layer} would use. It also detects
 * a lock on the credential file (on Linux with the name of the process), a proxy that does not work, and invalid
 * settings. A lock counts as held if it is not released within two seconds (`auth.lock.timeLimit` changes the limit).
 * It never fails, and sends no turn unless `turn` is `true`.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import * as CodexNode from "effect-codex/node"
 * import { Effect } from "effect"
 *
 * const program = Effect.map(CodexNode.doctor(), ({ findings }) => findings.map(({ advice }) => advice))
 * ```
 */
export const doctor: (options?: DoctorOptions) => Effect.Effect<Doctor.Report> = NodeDoctor.doctor
