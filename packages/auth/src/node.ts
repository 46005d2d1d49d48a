/**
 * Everything of this package wired for Node: the credential file, its locks, the callback server and the terminal.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as AuthStore from "./AuthStore.ts"
import type * as CallbackServer from "./CallbackServer.ts"
import * as CodexAuth from "./CodexAuth.ts"
import type * as FileLock from "./FileLock.ts"
import type * as LoginInteraction from "./LoginInteraction.ts"
import * as NodeCallbackServer from "./node/CallbackServer.ts"
import * as Flock from "./node/Flock.ts"
import * as NodeSignals from "./node/Signals.ts"
import * as Terminal from "./node/Terminal.ts"
import * as OAuth from "./OAuth.ts"
import type * as Signals from "./Signals.ts"

/**
 * @since 0.1.0
 * @category configuration
 */
export interface StoreOptions {
  /** The credential file. Default: the Codex CLI's, see `AuthStore.defaultFile`. */
  readonly file?: string | undefined
  readonly lock?: FileLock.Options | undefined
}

/**
 * `AuthStore` on a credential file, under the Codex CLI's own locks.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStore = (options?: StoreOptions): Layer.Layer<AuthStore.AuthStore, ConfigError.ConfigError> =>
  Layer.unwrapEffect(
    Effect.map(options?.file === undefined ? AuthStore.defaultFile : Effect.succeed(options.file), AuthStore.layerFile)
  ).pipe(Layer.provide(Flock.layer(options?.lock)), Layer.provide([NodeFileSystem.layer, NodePath.layer]))

/**
 * `Signals` of this process: a closed terminal or a second Ctrl-C does not end it between the moment a refresh token is
 * sent and the moment its successor is stored. `layer` has it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerSignals: Layer.Layer<Signals.Signals> = NodeSignals.layer

/**
 * `CodexAuth` from the first source that has something: the token handed in, `OPENAI_CODEX_ACCESS_TOKEN`, the credential
 * file.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options?: StoreOptions & {
    readonly token?: CodexAuth.Token | undefined
    readonly oauth?: OAuth.Options | undefined
  }
): Layer.Layer<CodexAuth.CodexAuth, ConfigError.ConfigError, HttpClient.HttpClient> =>
  CodexAuth.layerOrElse(
    CodexAuth.layerStore.pipe(Layer.provide([layerStore(options), OAuth.layer(options?.oauth), layerSignals])),
    options
  )

/**
 * `CallbackServer` on the loopback address, on the first free port. Default: `CallbackServer.ports`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerCallbackServer: (ports?: ReadonlyArray<number>) => Layer.Layer<CallbackServer.CallbackServer> =
  NodeCallbackServer.layer

/**
 * `LoginInteraction` on the terminal: it opens the browser by the platform's own command, prints to the standard error and
 * reads what is pasted from the standard input.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerTerminal: Layer.Layer<LoginInteraction.LoginInteraction> = Terminal.layer

/**
 * All that `BrowserLogin`, `DeviceLogin` and `Logout` need on a command line.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerLogin = (
  options?: StoreOptions & { readonly oauth?: OAuth.Options | undefined }
): Layer.Layer<
  AuthStore.AuthStore | OAuth.OAuth | CallbackServer.CallbackServer | LoginInteraction.LoginInteraction,
  ConfigError.ConfigError,
  HttpClient.HttpClient
> => Layer.mergeAll(layerStore(options), OAuth.layer(options?.oauth), layerCallbackServer(), layerTerminal)
