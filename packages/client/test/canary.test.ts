/** What a stream says is scrubbed as what an HTTP body says is: planted secrets are in no error, log line or span. */
import * as Util from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { CodexAuth } from "@effect-codex/auth/CodexAuth"
import { Script, ScriptedBackend } from "@effect-codex/testing"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { Codex, CodexConfig } from "effect-codex"
import { run } from "./support.ts"

const secrets = {
  token: "opaque-canary-token-0123456789",
  account: "acc-canary-account",
  email: "canary@example.org",
  header: "canary-header-value-1",
  cookie: "canary-cookie-value-1",
  encrypted: "gAAAAABcanary-encrypted-content=="
}

const cookie = { "set-cookie": `__cf_bm=${secrets.cookie}; Path=/` }

const quoted = Object.values(secrets).join(" and ")

const auth = Layer.succeed(CodexAuth, {
  credentials: Effect.succeed({
    accessToken: Redacted.make(secrets.token),
    accountId: Redacted.make(secrets.account),
    email: Redacted.make(secrets.email),
    isFedramp: false
  }),
  recover: () => Effect.die("not here")
})

const error = { code: "invalid_prompt", message: `You sent ${quoted}. \u001b[31m\u202Ered`, param: quoted }

const steps: Readonly<Record<string, Script.Step>> = {
  "a failed response": Script.events([{ type: "response.failed", response: { error } }]),
  "an error event": Script.events([{ type: "error", ...error }]),
  "an error without a type": Script.events([{ error }]),
  "an error whose code quotes": Script.events([{ type: "error", error: { ...error, code: quoted, type: quoted } }]),
  "a limit with an offer": Script.events([
    { type: "response.metadata", headers: { "x-codex-promo-message": quoted, "x-codex-active-limit": quoted } },
    { type: "error", error: { ...error, code: "usage_limit_reached", plan_type: quoted } }
  ]),
  "a 200 that is JSON": Script.lines(JSON.stringify({ error })),
  "a detail": Script.lines(JSON.stringify({ detail: `You sent ${quoted}.` })),
  "ids and the name of the model": Script.turn({ text: "Hello", model: quoted, id: quoted }).pipe(
    Script.headers({ "x-request-id": quoted, "cf-ray": quoted, "openai-model": quoted }),
    Script.truncateAfterEvents(4)
  ),
  "ids and the name of the model, before a reset": Script.turn({ text: "Hello", model: quoted, id: quoted }).pipe(
    Script.headers({ "openai-model": quoted, "x-codex-promo-message": quoted }),
    Script.resetAfterEvents(4)
  ),
  "ids and the name of the model, before silence": Script.turn({ text: "Hello", model: quoted, id: quoted }).pipe(
    Script.silenceAfterEvents(4)
  ),
  "the ids of a refusal": Script.status(400, {
    body: { error },
    headers: { "x-request-id": quoted, "cf-ray": quoted }
  }),
  "JSON in a text": Script.events([{ error: JSON.stringify(error) }])
}

describe("secrets that a stream quotes", () => {
  for (const [name, step] of Object.entries(steps)) {
    it.effect(`are seen by nobody: ${name}`, () => {
      const said: Array<string> = []
      const logger = Logger.make((options) => {
        said.push(Logger.jsonLogger.log(options), Logger.logfmtLogger.log(options))
      })
      const tracer = Tracer.make({
        context: (f) => f(),
        span: (name, parent, context, links, startTime, kind) => ({
          _tag: "Span",
          name,
          spanId: "1",
          traceId: "1",
          parent,
          context,
          links,
          kind,
          sampled: true,
          status: { _tag: "Started", startTime },
          attributes: new Map(),
          attribute: (key, value) => void said.push(key, Util.inspect(value, { depth: 9 })),
          event: (event, _, attributes) => void said.push(event, Util.inspect(attributes, { depth: 9 })),
          addLinks: () => {},
          end: (_, exit) => void said.push(Util.inspect(exit, { depth: 9 }))
        })
      })
      return Effect.gen(function* () {
        const codex = yield* Codex.Codex
        const turn = Effect.tapErrorCause(codex.turn({ prompt: "Hi" }), Effect.logError)
        const failure = yield* run(Effect.flip(turn))
        const streamed = yield* run(Effect.flip(Stream.runDrain(codex.stream({ prompt: "Hi" }))))
        for (const error of [failure, streamed]) {
          said.push(error.message, String(error), JSON.stringify(error), Cause.pretty(Cause.fail(error)))
          said.push(Util.inspect(error, { depth: 12, showHidden: true }))
          for (const mark of ["\u001b", "\u202E"]) assert.notInclude(error.message, mark)
        }
        for (const text of said) {
          for (const [name, secret] of Object.entries(secrets)) {
            assert.isFalse(text.includes(secret), `the ${name} is in: ${text.slice(0, 600)}`)
          }
        }
        assert.isAbove(said.length, 10)
      }).pipe(
        Effect.provide(
          Codex.layer.pipe(
            Layer.provide(ScriptedBackend.layer(Script.always(step.pipe(Script.headers(cookie))))),
            Layer.provide([
              CodexConfig.layer({ headers: { "x-private": secrets.header }, retry: { retries: 0 } }),
              auth
            ])
          )
        ),
        Effect.provide([
          Layer.setTracer(tracer),
          Logger.replace(Logger.defaultLogger, logger),
          Logger.minimumLogLevel(LogLevel.All)
        ])
      )
    })
  }
})
