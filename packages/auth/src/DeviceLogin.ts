/**
 * Login on another device, by a short code (protocol F.9).
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type LoginError, LoginFailed } from "./AuthError.ts"
import type { AuthStore } from "./AuthStore.ts"
import type { Credentials } from "./Credentials.ts"
import { checkStore, keep } from "./internal/newLogin.ts"
import { LoginInteraction } from "./LoginInteraction.ts"
import { OAuth } from "./OAuth.ts"

/**
 * @since 0.1.0
 * @category configuration
 */
export interface Options {
  /** How long the person may take. Default: 15 minutes, after which the server forgets the code. */
  readonly timeout?: Duration.DurationInput
}

/**
 * Shows a code, waits until the person has typed it in on any device, and stores the login; the one it replaces is
 * revoked. A poll that fails on the network is repeated like one that says "not yet".
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
    yield* checkStore
    const device = yield* oauth.deviceCode
    yield* interaction.showDeviceCode(device)

    const poll = oauth.pollDevice(device).pipe(
      Effect.catchIf(
        (error) => error.isRetryable,
        () => Effect.succeed("pending" as const)
      )
    )
    const granted = Effect.gen(function* () {
      let pause = Duration.seconds(device.interval)
      while (true) {
        yield* Effect.sleep(pause)
        const answer = yield* poll
        if (answer === "slowDown") pause = Duration.sum(pause, "5 seconds")
        else if (answer !== "pending") return answer
      }
    })
    const code = yield* granted.pipe(
      Effect.timeoutFail({
        duration: options?.timeout ?? "15 minutes",
        onTimeout: () => new LoginFailed({ reason: "timeout" })
      })
    )
    return yield* Effect.flatMap(oauth.exchange(code), keep)
  }
)
