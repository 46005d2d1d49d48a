// Nothing that is secret or personal may be seen in an error, a log line or a span.

import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Script, ScriptedBackend } from "@effect-codex/testing"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { AuthError, AuthStore, CodexAuth, Logout, OAuth } from "../src/index.ts"
import { jwt, secret } from "./support/jwt.ts"
import { recordingTracer } from "./support/tracing.ts"

const planted = jwt(
  {
    exp: 1,
    email: "planted@example.org",
    "https://api.openai.com/auth": { chatgpt_account_id: "planted-account", chatgpt_user_id: "planted-user" }
  },
  "planted"
)

const renderings = (value: unknown): ReadonlyArray<string> => [
  String(value),
  JSON.stringify(value) ?? "",
  inspect(value, { depth: 12, showHidden: true }),
  value instanceof Error ? value.message : "",
  Cause.pretty(Cause.fail(value))
]

/** Runs with everything that could write a secret down, and hands out what was written. */
const observed = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const written: Array<string> = []
    const note = (...values: ReadonlyArray<unknown>) => {
      for (const value of values) written.push(...renderings(value))
    }
    const tracer = recordingTracer(note)
    const log = Layer.merge(
      Logger.replace(
        Logger.defaultLogger,
        Logger.make((options) => {
          written.push(
            Logger.jsonLogger.log(options),
            Logger.logfmtLogger.log(options),
            Logger.stringLogger.log(options)
          )
        })
      ),
      Logger.minimumLogLevel(LogLevel.All)
    )
    const result = yield* Effect.either(self).pipe(Effect.withTracer(tracer), Effect.provide(log))
    note(result)
    return { written: written.join("\n"), result }
  })

const server = (answer: Script.Step) => Layer.provide(OAuth.layer(), ScriptedBackend.layer(Script.always(answer)))

/** Everything that was sent, and what belongs to it. */
const echo = {
  error: {
    code: "planted-refresh",
    message: `planted-refresh ${planted} planted-account planted@example.org planted-user`
  },
  refresh_token: null
}

describe("secrets", () => {
  for (const [what, answer] of [
    ["the network fails", Script.refuse],
    ["the server repeats what it was sent", Script.status(400, { body: echo })],
    ["the server refuses", Script.status(401, { body: echo })],
    ["the server answers anything", Script.status(200, { body: "<html>planted-refresh" })],
    ["all goes well", Script.status(200, { body: { access_token: planted, refresh_token: "planted-2" } })]
  ] as const) {
    it.effect(`stay unseen when ${what}`, () =>
      Effect.gen(function* () {
        const store = yield* AuthStore.makeMemory({
          accessToken: secret(planted),
          refreshToken: secret("planted-refresh"),
          idToken: secret(planted),
          accountId: secret("planted-account")
        })
        yield* TestClock.adjust("1 hour")
        const fiber = yield* observed(
          Effect.gen(function* () {
            const auth = yield* CodexAuth.makeStore
            const credentials = yield* Effect.either(auth.credentials)
            const recovered = yield* Effect.either(
              auth.recover({ accessToken: secret(planted), accountId: secret("planted-account"), isFedramp: false })
            )
            const loggedOut = yield* Logout.logout
            return { credentials, recovered, loggedOut }
          }).pipe(Effect.scoped, Effect.provide([server(answer), Layer.succeed(AuthStore.AuthStore, store)]))
        ).pipe(Effect.fork)
        yield* TestClock.adjust("1 minutes")
        const { written } = yield* fiber
        assert.notInclude(written, "planted")
        assert.isAbove(written.length, 100)
      })
    )
  }

  it("errors survive JSON and keep what they say", () => {
    const errors: ReadonlyArray<AuthError.AuthError> = [
      new AuthError.NotLoggedIn({ found: "an API key only" }),
      new AuthError.RefreshFailed({ reason: "status", status: 500 }),
      new AuthError.LockTimeout({ path: "auth.lock", waitedMillis: 60_000 })
    ]
    for (const error of errors) {
      assert.isTrue(AuthError.isAuthError(error))
      assert.notStrictEqual(error.message, "")
      assert.deepInclude(JSON.parse(JSON.stringify(error)), { _tag: error._tag })
    }
    assert.isFalse(AuthError.isAuthError(Option.none()))
  })
})
