import * as HttpClient from "@effect/platform/HttpClient"
import { assert } from "@effect/vitest"
import type { CodexAuth } from "@effect-codex/auth/CodexAuth"
import * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"
import * as ServiceError from "@effect-codex/schema/ServiceError"
import type * as Script from "@effect-codex/testing/Script"
import * as ScriptedBackend from "@effect-codex/testing/ScriptedBackend"
import * as TestAuth from "@effect-codex/testing/TestAuth"
import {
  Carrier,
  CodexConfig,
  CodexTransport,
  type Reader,
  RetryPolicy,
  type TransportError
} from "@effect-codex/transport"
import * as NodeTransport from "@effect-codex/transport/node"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"

/** The transport before a scripted backend, in the time of the test's clock. */
export const scripted = (
  script: Script.Script,
  options: CodexConfig.Options = {},
  auth: Layer.Layer<CodexAuth> = TestAuth.layer(),
  backend?: ScriptedBackend.Options
) =>
  CodexTransport.layer.pipe(
    Layer.provide(Carrier.layerHttpClient),
    Layer.provideMerge(ScriptedBackend.layer(script, backend)),
    Layer.provide([CodexConfig.layer(options), auth])
  )

/** The ways to real sockets: undici's own callbacks, and any client's streams. */
export const carriers: Readonly<
  Record<string, (options?: NodeTransport.Options) => Layer.Layer<Carrier.Carrier, TransportError.InvalidConfig>>
> = {
  dispatcher: (options) => NodeTransport.layer({ proxy: "none", ...options }),
  "dispatcher, http2": (options) => NodeTransport.layer({ proxy: "none", http2: true, ...options }),
  "undici HttpClient": (options) =>
    Layer.map(NodeTransport.layer({ proxy: "none", ...options }), (context) =>
      Context.add(context, Carrier.Carrier, Carrier.fromHttpClient(Context.get(context, HttpClient.HttpClient)))
    )
}

export const request = ResponsesRequest.make({
  model: "gpt-5.5",
  instructions: "Be brief.",
  input: [{ type: "message", role: "user", content: [{ type: "input_text", text: "Ping?" }] }]
})

/** Hands the bytes on as they come; all of them are progress, or none. A body without an event is a failure. */
class BytesReader implements Reader.Reader<Uint8Array, ServiceError.ResponseFailed> {
  failure: ServiceError.ResponseFailed | undefined
  progress = 0
  #text = ""
  done = false
  constructor(private readonly progressing: boolean) {}
  push(bytes: Uint8Array): ReadonlyArray<Uint8Array> {
    if (this.progressing) this.progress++
    this.#text += String.fromCharCode(...bytes.subarray(0, 1000))
    return [bytes]
  }
  pushMessage(text: string): ReadonlyArray<Uint8Array> {
    return [new TextEncoder().encode(text)]
  }
  end(): ReadonlyArray<Uint8Array> {
    this.done = true
    if (!this.#text.includes("data:")) this.failure = new ServiceError.ResponseFailed({})
    return []
  }
}

/** An attempt whose headers have arrived. It is closed with the scope. */
export const attempt = (
  body: ResponsesRequest.ResponsesRequest = request,
  options?: CodexTransport.AttemptOptions,
  { progressing = false } = {}
) =>
  Effect.gen(function* () {
    const transport = yield* CodexTransport.CodexTransport
    const reader = new BytesReader(progressing)
    const { close, open, pull } = transport.attempt(body, reader, options)
    yield* Effect.addFinalizer(() => close)
    const metadata = yield* open
    return {
      metadata,
      body: Stream.repeatEffectChunkOption(
        Effect.matchEffect(pull, {
          onFailure: (error) => Effect.fail(Option.some(error)),
          onSuccess: (bytes) =>
            bytes.length === 0 ? Effect.fail(Option.none()) : Effect.succeed(Chunk.fromIterable(bytes))
        })
      )
    }
  })

/** Attempts under the default policy, until the headers of one have arrived. */
export const send = (body: ResponsesRequest.ResponsesRequest = request, options?: CodexTransport.AttemptOptions) =>
  Effect.flatMap(RetryPolicy.start(RetryPolicy.defaults), (retries) => {
    const from = (number: number): ReturnType<typeof attempt> =>
      Effect.catchAll(attempt(body, { ...options, attempt: number }), (error) =>
        Effect.flatMap(retries.next(error), (delay) => Effect.zipRight(Effect.sleep(delay), from(number + 1)))
      )
    return from(1)
  })

export const textOf = ({ body }: Effect.Effect.Success<ReturnType<typeof attempt>>) =>
  body.pipe(Stream.decodeText(), Stream.mkString)

/** The whole body of one attempt. */
export const read = Effect.scoped(
  Effect.flatMap(
    Effect.suspend(() => attempt()),
    textOf
  )
)

/** The headers the backend got with the request of this number. */
export const headersOf = (number: number) =>
  Effect.gen(function* () {
    const backend = yield* ScriptedBackend.ScriptedBackend
    const all = yield* backend.requests
    return all[number - 1]?.headers ?? {}
  })

/** Credentials that name their parts, so that tests can look for them. */
export const credentials = (name: string) => ({
  accessToken: Redacted.make(`access-${name}`),
  accountId: Redacted.make(`account-${name}`),
  isFedramp: false
})

/** That an error has these fields. (The assertions of chai cannot print an error that does not.) */
export const assertFields = (actual: unknown, expected: Readonly<Record<string, unknown>>, message?: string) => {
  const fields = Object.fromEntries(
    Object.keys(expected).map((key) => [key, (actual as Readonly<Record<string, unknown>> | undefined)?.[key]])
  )
  assert.deepStrictEqual(fields, expected, message)
}
