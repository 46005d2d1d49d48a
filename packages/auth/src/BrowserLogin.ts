/**
 * Login in a browser, by authorization code with PKCE (protocol F.8).
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
  /** How long the person may take. Default: 10 minutes. */
  readonly timeLimit?: Duration.DurationInput | undefined
  /**
   * Only these workspaces (account ids) may log in: the page offers no others, and a login for another one is revoked and
   * fails with the reason `workspace`. Default: any.
   */
  readonly workspaces?: ReadonlyArray<string> | undefined
}

const callbackPath = "/auth/callback"

type Callback =
  | { readonly _tag: "Code"; readonly code: Redacted.Redacted }
  | { readonly _tag: "Refused"; readonly code: string | undefined; readonly description: string | undefined }
  | { readonly _tag: "Foreign" }
  | { readonly _tag: "Empty" }

/** What the parameters of a callback mean for the login with this `state`. */
const readCallback = (parameters: URLSearchParams, state: string): Callback => {
  if (!equals(parameters.get("state") ?? "", state)) return { _tag: "Foreign" }
  const error = parameters.get("error")
  if (error !== null) {
    return { _tag: "Refused", code: clean(error), description: clean(parameters.get("error_description") ?? undefined) }
  }
  const code = parameters.get("code")
  return code ? { _tag: "Code", code: Redacted.make(code) } : { _tag: "Empty" }
}

/** The code in what a person pasted: the address they ended on, its query, or the bare code. */
const readPasted = (text: string, state: string): Callback => {
  const query = text.includes("=") ? text.slice(text.indexOf("?") + 1) : undefined
  if (query !== undefined) return readCallback(new URLSearchParams(query), state)
  // Without a state to compare, PKCE still makes the code of another login useless here.
  return text === "" || /\s/.test(text) ? { _tag: "Empty" } : { _tag: "Code", code: Redacted.make(text) }
}

const pasteAgain = {
  Empty: "There is no code in it. Paste the whole address of the page you ended on.",
  Foreign: "It belongs to another login. Paste the address of the page you ended on just now."
}

const succeeded = page(200, "You are logged in", "You can close this page and go back to the program.")
const failed = (error: LoginError) => page(200, "The login failed", error.message)

/**
 * Logs a person in with their browser and stores the login; the one it replaces is revoked.
 *
 * The first callback with the `state` of this login decides; a later one is answered with the same page. Every other
 * request, such as one with a wrong `state`, is refused while the server goes on listening. Without a reachable loopback
 * address the person can paste the address they ended on.
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
    // An address that does not parse is not the callback.
    const { pathname, searchParams } = new URL(URL.canParse(request.url, here) ? request.url : "/", here)
    if (pathname !== callbackPath) return page(404, "Not found", "There is nothing here.")
    if (request.method !== "GET") return page(405, "Not allowed", "This page can only be opened.")
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
    // A span of the server would have the code in its URL.
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
    // The browser gets its page before the server goes.
    Effect.onExit((exit) => Deferred.done(outcome, exit)),
    Effect.scoped
  )
})
