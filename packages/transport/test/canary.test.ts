/** Secrets are planted, every failure is provoked, and everything that is said about it is searched. */
import * as Util from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { CodexAuth } from "@effect-codex/auth/CodexAuth"
import * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"
import * as Script from "@effect-codex/testing/Script"
import { CodexConfig, CodexTransport, FailureCapture, TransportError } from "@effect-codex/transport"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import { scripted, send } from "./fixture.ts"
import * as Rows from "./rows.ts"

const part = (text: string) => Buffer.from(text).toString("base64url")

const secrets = {
  "access token": `${part('{"alg":"none"}')}.${part('{"sub":"canary-access-canary-access"}')}.canarysignature1`,
  "renewed access token": `${part('{"alg":"none"}')}.${part('{"sub":"canary-renewed-canary"}')}.canarysignature2`,
  "id token": `${part('{"alg":"none"}')}.${part('{"sub":"canary-id-canary-id"}')}.canarysignature3`,
  "refresh token": "rt_canary-refresh-canary-refresh",
  "account id": 'account"canary\\of-the-account',
  "encrypted content": "gAAAAABcanary-encrypted-content-canary==",
  "routing token": "turn-state-canary-turn-state"
}

/** The forms to look for: the whole secret, and so much of it that a cut would leave. */
const needles = Object.entries(secrets).flatMap(([name, secret]) =>
  [
    secret,
    secret.slice(0, 24),
    Buffer.from(secret).toString("base64"),
    Buffer.from(secret).toString("base64url"),
    Buffer.from(secret).toString("base64").slice(0, 24),
    JSON.stringify(secret).slice(1, -1)
  ]
    // Tokens share their first letters with harmless ones.
    .filter((form) => !part('{"alg":"none"}').startsWith(form.slice(0, 19)))
    .map((form) => [name, form] as const)
)

const search = (where: string, haystacks: ReadonlyArray<string>) => {
  for (const haystack of haystacks) {
    for (const [name, needle] of needles) {
      if (haystack.includes(needle)) assert.fail(`the ${name} is in ${where}: ${haystack.slice(0, 2000)}`)
    }
  }
}

const credentials = (accessToken: string) => ({
  accessToken: Redacted.make(accessToken),
  accountId: Redacted.make(secrets["account id"]),
  email: Redacted.make("canary@example.org"),
  isFedramp: false
})

const auth = Layer.succeed(CodexAuth, {
  credentials: Effect.succeed(credentials(secrets["access token"])),
  recover: () => Effect.succeed(credentials(secrets["renewed access token"]))
})

const request = ResponsesRequest.make({
  model: "gpt-5.5",
  input: [
    { type: "reasoning", id: "rs_1", summary: [], encrypted_content: secrets["encrypted content"] },
    { type: "message", role: "user", content: [{ type: "input_text", text: "Ping?" }] }
  ]
})

/** What a request carries, as a server could quote it. */
const carried = ({ body, headers }: Script.Request): ReadonlyArray<string> => {
  const { input } = (body ?? { input: [] }) as {
    readonly input: ReadonlyArray<{ readonly encrypted_content?: string }>
  }
  return [
    (headers["authorization"] ?? "").replace("Bearer ", ""),
    headers["chatgpt-account-id"] ?? "",
    headers["x-codex-turn-state"] ?? "",
    ...input.flatMap((item) => item.encrypted_content ?? [])
  ].filter((secret) => secret !== "")
}

const base64 = (secret: string) => [Buffer.from(secret).toString("base64"), Buffer.from(secret).toString("base64url")]

/** Answers that quote what they were sent, and tokens they were not, in every place there is. */
const quoting = Object.entries({
  plain: (request: Script.Request) => [
    ...carried(request),
    secrets["id token"],
    secrets["refresh token"],
    secrets["renewed access token"]
  ],
  base64: (request: Script.Request) => carried(request).flatMap(base64),
  "JSON in a text": (request: Script.Request) => carried(request).map((secret) => JSON.stringify(secret))
}).flatMap(([form, quotesOf]) => {
  const places: Record<string, (text: string, quotes: ReadonlyArray<string>) => Script.Step> = {
    "error object": (text) =>
      Script.status(400, { body: { error: { message: text, code: text, type: text, param: text } } }),
    "detail object": (text) => Script.status(403, { body: { detail: { code: text, message: text } } }),
    detail: (text) => Script.status(422, { body: { detail: text } }),
    message: (text) => Script.status(500, { body: { message: text, echo: { text } } }),
    text: (text) => Script.status(502, { body: text }),
    "text cut short": (_, quotes) =>
      Script.status(502, { body: quotes.map((quote) => `${"x".repeat(485)} ${quote}`).join(" ") }),
    title: (text) => Script.status(404, { body: `<html><title>${text}</title></html>` }),
    "401": (text) => Script.status(401, { body: { error: { message: text } } }),
    redirect: (text) =>
      Script.redirect(`https://example.org/${encodeURIComponent(text)}?q=${encodeURIComponent(text)}`),
    "identity headers": (text) =>
      Script.status(403, {
        headers: {
          "x-openai-authorization-error": text,
          "x-error-json": Buffer.from(JSON.stringify({ error: { code: text } })).toString("base64")
        }
      })
  }
  return Object.entries(places).map(
    ([place, step]): Rows.Row => ({
      name: `quoting in ${place}, ${form}`,
      script: () => (request) => {
        const quotes = quotesOf(request)
        return step(`You sent ${quotes.join(" and ")}.`, quotes)
      },
      waits: [],
      error: undefined
    })
  )
})

const tracing = () => {
  const said: Array<string> = []
  const tracer = Tracer.make({
    context: (f) => f(),
    span: (name, parent, context, links, startTime, kind) => {
      said.push(name)
      return {
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
      }
    }
  })
  return { said, layer: Layer.setTracer(tracer) }
}

const logging = () => {
  const said: Array<string> = []
  const logger = Logger.make((options) => {
    said.push(
      Logger.jsonLogger.log(options),
      Logger.logfmtLogger.log(options),
      Logger.stringLogger.log(options),
      Util.inspect(Logger.structuredLogger.log(options), { depth: 9 })
    )
  })
  return {
    said,
    layer: Layer.merge(Logger.replace(Logger.defaultLogger, logger), Logger.minimumLogLevel(LogLevel.All))
  }
}

const renderings = (error: TransportError.TransportError): ReadonlyArray<string> => [
  error.message,
  String(error),
  error.toString(),
  error.stack ?? "",
  JSON.stringify(error),
  JSON.stringify(error, null, 2),
  JSON.stringify("toJSON" in error && typeof error.toJSON === "function" ? error.toJSON() : null),
  Util.inspect(error, { depth: 12, showHidden: true }),
  Cause.pretty(Cause.fail(error)),
  JSON.stringify(Exit.fail(error)),
  JSON.stringify(Schema.encodeSync(TransportError.TransportError)(error))
]

/** The second attempt says what the eighth would. */
const options = (row: Rows.Row): CodexConfig.Options => ({
  ...row.options,
  retry: { retries: 1, outageRetries: 1, ...row.options?.retry }
})

describe("secrets", () => {
  for (const row of [...Rows.rows, ...quoting]) {
    it.effect(`do not leak into errors, logs and spans: ${row.name}`, () => {
      const spans = tracing()
      const logs = logging()
      return Effect.gen(function* () {
        const transport = yield* CodexTransport.CodexTransport
        const capture = yield* FailureCapture.FailureCapture
        const turn = Effect.scoped(
          Effect.gen(function* () {
            const response = yield* send(request, { routingToken: Redacted.make(secrets["routing token"]) })
            search("the metadata", [JSON.stringify(response.metadata), Util.inspect(response, { depth: 9 })])
            yield* Stream.runDrain(response.body)
          })
        )
        const both = Effect.all([
          Effect.either(Effect.tapErrorCause(turn, Effect.logError)),
          Effect.either(Effect.scoped(transport.get("/wham/usage")))
        ])
        const fiber = yield* Effect.fork(both)
        yield* TestClock.adjust("1 hour")
        for (const result of yield* Fiber.join(fiber)) {
          if (result._tag === "Right") continue
          const error = result.left
          if (!TransportError.isTransportError(error)) continue
          search("the error", renderings(error))
          search("the exchange on the error", [
            Util.inspect(error.exchange && Redacted.value(error.exchange), { depth: 9 })
          ])
        }
        const last = yield* capture.takeLast
        search("the capture", [JSON.stringify(last) ?? "", Util.inspect(last, { depth: 9 })])
        search("a span", spans.said)
        search("a log line", logs.said)
        search("a metric", [Util.inspect(yield* Metric.snapshot, { depth: 9 })])
        assert.isNotEmpty(spans.said)
      }).pipe(
        Effect.provide(scripted(row.script({ scale: 1, now: 0 }), options(row), auth, { onUnexpected: "answer" })),
        Effect.provide([spans.layer, logs.layer])
      )
    })
  }

  it.effect("are in no problem of the configuration", () =>
    Effect.gen(function* () {
      const password = secrets["refresh token"]
      for (const baseUrl of [`https://user:${password}@example.org/?token=${password}`, `https://user:${password}@`]) {
        const error = yield* Effect.flip(
          CodexConfig.make({ baseUrl, headers: { authorization: secrets["access token"] } })
        )
        search("the error", renderings(error))
      }
    })
  )
})
