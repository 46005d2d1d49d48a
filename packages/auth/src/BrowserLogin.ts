/**
 * Login in a browser, with an authorization code and PKCE (protocol F.8).
 *
 * @since 0.1.0
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { defined } from "@effect-codex/schema/Defined"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { type LoginError, LoginFailed } from "./AuthError.ts"
import type { AuthStore } from "./AuthStore.ts"
import { CallbackServer } from "./CallbackServer.ts"
import type { Credentials } from "./Credentials.ts"
import { checkBefore, keep } from "./internal/newLogin.ts"
import { page } from "./internal/page.ts"
import { challenge, equals } from "./internal/pkce.ts"
import { randomText } from "./internal/random.ts"
import { clean } from "./internal/statement.ts"
import { LoginInteraction } from "./LoginInteraction.ts"
import { OAuth } from "./OAuth.ts"

/**
 * @since 0.1.0
 * @category configuration
 */
export interface Options {
  /** The time limit for the user. Default: 10 minutes. */
  readonly timeLimit?: Duration.DurationInput | undefined
  /**
   * The allowed workspaces (account ids). The page offers no others. A login to another workspace is revoked and fails
   * with the reason `workspace`. Default: any.
   */
  readonly workspaces?: ReadonlyArray<string> | undefined
}

const callbackPath = "/auth/callback"

type Callback =
  | { readonly _tag: "Code"; readonly code: Redacted.Redacted }
  | { readonly _tag: "Refused"; readonly code: string | undefined; readonly description: string | undefined }
  | { readonly _tag: "Foreign" }
  | { readonly _tag: "Empty" }

/** Interprets the callback parameters for the login with this `state`. */
const readCallback = (parameters: URLSearchParams, state: string): Callback => {
  if (!equals(parameters.get("state") ?? "", state)) return { _tag: "Foreign" }
  const error = parameters.get("error")
  if (error !== null) {
    return { _tag: "Refused", code: clean(error), description: clean(parameters.get("error_description") ?? undefined) }
  }
  const code = parameters.get("code")
  return code ? { _tag: "Code", code: Redacted.make(code) } : { _tag: "Empty" }
}

/** Reads a pasted address, query or code. */
const readPasted = (text: string, state: string): Callback => {
  const query = text.includes("=") ? text.slice(text.indexOf("?") + 1) : undefined
  if (query !== undefined) return readCallback(new URLSearchParams(query), state)
  // There is no state to compare, but PKCE rejects the code of another login.
  return text === "" || /\s/.test(text) ? { _tag: "Empty" } : { _tag: "Code", code: Redacted.make(text) }
}

const pasteAgain = {
  Empty: "The text contains no code. Paste the whole address of the last page.",
  Foreign: "The address belongs to another login. Paste the address of the last page of this login."
}

const succeeded = page(200, "You are logged in", "You can close this page and go back to the program.")
const failed = (error: LoginError) => page(200, "The login failed", error.message)

/**
 * Logs a user in with the browser and stores the login. The replaced login is revoked.
 *
 * The first callback with the `state` of this login decides. Later ones get the same page. Any other request, such as
 * one with a wrong `state`, is rejected, and the server keeps listening. If the browser cannot reach the loopback
 * address, the user can paste the address of the last page.
 *
 * @since 0.1.0
 * @category constructors
 */
export const login: (
  options?: Options
) => Effect.Effect<Credentials, LoginError, AuthStore | OAuth | CallbackServer | LoginInteraction> = Effect.fn(
  "BrowserLogin.login"
)(function* (options) {
  const oauth = yield* OAuth
  const server = yield* CallbackServer
  const interaction = yield* LoginInteraction
  yield* checkBefore(options?.workspaces)

  const state = randomText(32)
  const codeVerifier = randomText(64)
  const received = yield* Deferred.make<Redacted.Redacted, LoginFailed>()
  const outcome = yield* Deferred.make<Credentials, LoginError>()

  const decide = (callback: Callback) =>
    callback._tag === "Code"
      ? Deferred.succeed(received, callback.code)
      : callback._tag === "Refused"
        ? Deferred.fail(
            received,
            new LoginFailed({
              reason: "denied",
              ...defined({ code: callback.code, serverMessage: callback.description })
            })
          )
        : Effect.void

  const app: HttpApp.Default = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const here = "http://localhost"
    // An invalid URL is not the callback.
    const { pathname, searchParams } = new URL(URL.canParse(request.url, here) ? request.url : "/", here)
    if (pathname !== callbackPath) return page(404, "Not found", "There is nothing here.")
    if (request.method !== "GET") return page(405, "Not allowed", "This page only supports GET.")
    const callback = readCallback(searchParams, state)
    if (callback._tag === "Foreign") {
      return page(400, "Not this login", "This page belongs to another login. Go back to the program and start again.")
    }
    if (callback._tag === "Empty") return page(400, "No code", "The login server sent no code. Please try again.")
    yield* decide(callback)
    return yield* Effect.match(Deferred.await(outcome), { onSuccess: () => succeeded, onFailure: failed })
  })

  const paste = Effect.gen(function* () {
    let problem: string | undefined
    while (true) {
      const callback = readPasted((yield* interaction.pastedCode(problem)).trim(), state)
      if (callback._tag === "Code" || callback._tag === "Refused") return yield* decide(callback)
      problem = pasteAgain[callback._tag]
    }
  })

  return yield* Effect.gen(function* () {
    // A server span would record the code as part of the URL.
    const origin = yield* HttpMiddleware.withTracerDisabledWhenEffect(server.serve(app), () => true)
    const redirectUri = origin + callbackPath
    const url = oauth.authorizeUrl({
      redirectUri,
      state,
      codeChallenge: yield* challenge(codeVerifier),
      ...(options?.workspaces === undefined ? {} : { workspaces: options.workspaces })
    })
    yield* interaction.openPage(url)
    yield* Effect.forkScoped(paste)
    const code = yield* Deferred.await(received).pipe(
      Effect.timeoutFail({
        duration: options?.timeLimit ?? "10 minutes",
        onTimeout: () => new LoginFailed({ reason: "timeout" })
      })
    )
    const tokens = yield* oauth.exchange({ code, codeVerifier: Redacted.make(codeVerifier), redirectUri })
    return yield* keep(tokens, options?.workspaces)
  }).pipe(
    // Answer the browser before the server stops.
    Effect.onExit((exit) => Deferred.done(outcome, exit)),
    Effect.scoped
  )
})
