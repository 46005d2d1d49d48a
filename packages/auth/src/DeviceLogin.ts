/**
 * Login on another device, with a short code (protocol F.9).
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type LoginError, LoginFailed } from "./AuthError.ts"
import type { AuthStore } from "./AuthStore.ts"
import type { Credentials } from "./Credentials.ts"
import { checkBefore, keep } from "./internal/newLogin.ts"
import { LoginInteraction } from "./LoginInteraction.ts"
import { OAuth } from "./OAuth.ts"

/**
 * @since 0.1.0
 * @category configuration
 */
export interface Options {
  /** The time limit for the user. Default: 15 minutes, after which the server discards the code. */
  readonly timeLimit?: Duration.DurationInput | undefined
  /** The allowed workspaces (account ids). A login to another one fails with the reason `workspace`. Default: any. */
  readonly workspaces?: ReadonlyArray<string> | undefined
}

/**
 * Shows a code, waits until the user has entered it on any device, and stores the login. The replaced login is revoked.
 * Transient errors (network, 5xx, 429) are retried. A denial by the user ends it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const login: (
  options?: Options
) => Effect.Effect<Credentials, LoginError, AuthStore | OAuth | LoginInteraction> = Effect.fn("DeviceLogin.login")(
  function* (options) {
    const oauth = yield* OAuth
    const interaction = yield* LoginInteraction
    yield* checkBefore(options?.workspaces)
    const device = yield* oauth.deviceCode
    yield* interaction.showDeviceCode(device)

    const granted = Effect.gen(function* () {
      let pause = Duration.seconds(device.interval)
      while (true) {
        yield* Effect.sleep(pause)
        const answer = yield* oauth.pollDevice(device)
        if (answer === "slowDown") pause = Duration.sum(pause, "5 seconds")
        else if (answer !== "pending") return answer
      }
    })
    const code = yield* granted.pipe(
      Effect.timeoutFail({
        duration: options?.timeLimit ?? "15 minutes",
        onTimeout: () => new LoginFailed({ reason: "timeout" })
      })
    )
    return yield* Effect.flatMap(oauth.exchange(code), (tokens) => keep(tokens, options?.workspaces))
  }
)
