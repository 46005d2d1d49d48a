/**
 * The Layers of this package for Node: the credential file, its locks, the callback server and the terminal.
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
 * `Signals` of this process: a closed terminal or a second Ctrl-C does not end it after a refresh token was sent and
 * before the next one is stored. Included in `layer`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerSignals: Layer.Layer<Signals.Signals> = NodeSignals.layer

/**
 * `CodexAuth` from the first available source: the given token, `OPENAI_CODEX_ACCESS_TOKEN`, or the credential file.
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
 * `LoginInteraction` on the terminal: opens the browser with the platform's command, prints to standard error and reads
 * pasted text from standard input.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerTerminal: Layer.Layer<LoginInteraction.LoginInteraction> = Terminal.layer

/**
 * The dependencies of `BrowserLogin`, `DeviceLogin` and `Logout` on a command line.
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
