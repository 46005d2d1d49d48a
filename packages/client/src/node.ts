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
 * What a program may set. `config` wins over the environment.
 *
 * @since 0.1.0
 * @category configuration
 */
export interface Options {
  readonly config?: CodexConfig.Options | undefined
  /** Where the login comes from; default the environment, then the Codex CLI's credential file. */
  readonly auth?: Parameters<typeof AuthNode.layer>[0] | undefined
  readonly http?: TransportNode.Options | undefined
}

/**
 * @since 0.1.0
 * @category configuration
 */
export interface DoctorOptions extends Options {
  /** Also sends one small turn, which costs some tokens, to find a proxy that holds streams back. Default `false`. */
  readonly turn?: boolean | undefined
}

/**
 * `Codex` with everything it needs: settings from `options.config`, then from the environment (see `CodexConfig.config`);
 * the login from `OPENAI_CODEX_ACCESS_TOKEN` or from the Codex CLI's credential file; and connections over undici with
 * the limits of this library.
 *
 * Each part can be another one: provide `Codex.layer` or `Codex.layerCarrier` with the Layers you want.
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
 * `Doctor.examine` on the settings, the login and the connections that {@link layer} would use. Besides it finds who holds
 * the lock of the credential file (Linux names the process), a proxy that does not work, and settings that are not valid.
 * A lock counts as held when it is not free within two seconds (`auth.lock.timeLimit` sets another limit). It does not fail, and sends no turn
 * unless `turn` says so.
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
