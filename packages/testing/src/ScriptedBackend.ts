/**
 * Plays a script as an `HttpClient`, without sockets and in the time of the clock it runs under.
 *
 * @since 0.1.0
 */
import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Journal from "./internal/journal.ts"
import * as Play from "./internal/play.ts"
import type * as Request from "./Request.ts"
import type * as Script from "./Script.ts"

/**
 * A request as it was received, and whether the client gave up before the answer was all sent.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordedRequest extends Request.Request {
  readonly aborted: boolean
}

/**
 * The backend behind the scripted `HttpClient`.
 *
 * @since 0.1.0
 * @category tags
 */
export class ScriptedBackend extends Context.Tag("@effect-codex/testing/ScriptedBackend")<
  ScriptedBackend,
  ScriptedBackend.Service
>() {}

/**
 * @since 0.1.0
 */
export declare namespace ScriptedBackend {
  /**
   * @since 0.1.0
   * @category models
   */
  interface Service {
    /** Every request so far, oldest first. */
    readonly requests: Effect.Effect<ReadonlyArray<RecordedRequest>>
    /** Completes when the client gave up the request of this number (from 1), which may not have come yet. */
    readonly aborted: (number: number) => Effect.Effect<void>
    /** Fails where a request came that was not expected, or a step of a list was not asked for. */
    readonly verify: Effect.Effect<void, Script.ScriptMismatch>
  }
}

/** A failure of the connection, with the `code` and message of the clients on Node. */
class ConnectionError extends Data.TaggedError("ConnectionError")<{
  readonly code: string
  readonly message: string
}> {}

const connectionReset = new ConnectionError({ code: "ECONNRESET", message: "read ECONNRESET" })
const clientGone = new ConnectionError({ code: "ABORT_ERR", message: "This operation was aborted" })

/** Where the HTTP clients of Node stop to read headers. */
const maxHeaderBytes = 16_384

const collect = <E>(stream: Stream.Stream<Uint8Array, E>): Effect.Effect<Uint8Array<ArrayBuffer>, E> =>
  Effect.suspend(() => {
    const all: Array<Uint8Array> = []
    return Effect.map(
      Stream.runForEach(stream, (bytes) => Effect.sync(() => all.push(bytes))),
      () => Play.concat(all)
    )
  })

class ScriptedResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly remoteAddress = Option.none<string>()
  private consumed = false

  constructor(
    readonly request: HttpClientRequest.HttpClientRequest,
    readonly status: number,
    readonly headers: Headers.Headers,
    private readonly body: Stream.Stream<Uint8Array, ConnectionError>
  ) {
    super()
  }

  get cookies(): Cookies.Cookies {
    return Cookies.fromSetCookie(this.headers["set-cookie"] ?? [])
  }

  private readonly decodeError = (cause: unknown) =>
    new HttpClientError.ResponseError({ request: this.request, response: this, reason: "Decode", cause })

  /** As with a real connection, the bytes come once. */
  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return Stream.suspend(() => {
      if (this.consumed) return Stream.fail(this.decodeError(new TypeError("The body has already been read")))
      this.consumed = true
      return Stream.mapError(this.body, this.decodeError)
    })
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError.ResponseError> {
    return Effect.map(collect(this.stream), (bytes) => bytes.buffer)
  }

  get text(): Effect.Effect<string, HttpClientError.ResponseError> {
    return Effect.map(collect(this.stream), (bytes) => new TextDecoder().decode(bytes))
  }

  get json(): Effect.Effect<unknown, HttpClientError.ResponseError> {
    return Effect.flatMap(this.text, (text) =>
      Effect.try({ try: () => (text === "" ? null : (JSON.parse(text) as unknown)), catch: this.decodeError })
    )
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, HttpClientError.ResponseError> {
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get formData(): Effect.Effect<FormData, HttpClientError.ResponseError> {
    return Effect.flatMap(this.arrayBuffer, (body) =>
      Effect.tryPromise({
        try: () => new Response(body, { headers: this.headers }).formData(),
        catch: this.decodeError
      })
    )
  }

  toJSON(): unknown {
    return HttpIncomingMessage.inspect(this, {
      _id: "@effect-codex/testing/ScriptedResponse",
      request: this.request.toJSON(),
      status: this.status
    })
  }
}

const requestBytes = (
  request: HttpClientRequest.HttpClientRequest
): Effect.Effect<Uint8Array, HttpClientError.RequestError> => {
  const { body } = request
  switch (body._tag) {
    case "Uint8Array":
      return Effect.succeed(body.body)
    case "Stream":
      return Effect.mapError(
        collect(Stream.mapError(body.stream, (cause) => ({ cause }))),
        ({ cause }) => new HttpClientError.RequestError({ request, reason: "Encode", cause })
      )
    case "Raw":
      return Effect.succeed(
        body.body instanceof Uint8Array
          ? body.body
          : new TextEncoder().encode(typeof body.body === "string" ? body.body : "")
      )
    default:
      return Effect.succeed(new Uint8Array(0))
  }
}

/** Does `wait` unless the client gives up before. */
const whileWanted = (entry: Journal.Entry, wait: Effect.Effect<void>): Effect.Effect<void, ConnectionError> =>
  Effect.raceFirst(wait, Effect.zipRight(Deferred.await(entry.aborted), clientGone))

const pause = (entry: Journal.Entry, duration: Duration.Duration): Effect.Effect<void, ConnectionError> =>
  Duration.greaterThan(duration, Duration.zero)
    ? whileWanted(entry, Effect.sleep(duration))
    : Effect.flatMap(Deferred.isDone(entry.aborted), (gone) => (gone ? clientGone : Effect.void))

const playBody = (step: Script.Step, entry: Journal.Entry): Stream.Stream<Uint8Array, ConnectionError> => {
  const reset = Effect.zipRight(Effect.sync(entry.finish), connectionReset)
  const ending = { close: Effect.void, reset, silence: whileWanted(entry, Effect.never) }[step.ending]
  return Stream.fromIteratorSucceed(Play.pieces(step, entry.request), 1).pipe(
    Stream.mapEffect(({ bytes, wait }) => Effect.as(pause(entry, wait), bytes)),
    Stream.concat(Stream.execute(ending)),
    Stream.onEnd(Effect.sync(entry.finish)),
    Stream.ensuring(Effect.sync(entry.abort))
  )
}

const playStep = Effect.fnUntraced(function* (
  decide: Effect.Effect<Script.Step>,
  entry: Journal.Entry,
  request: HttpClientRequest.HttpClientRequest
) {
  const fail = (error: ConnectionError) => Effect.zipRight(Effect.sync(entry.finish), error)
  const step = yield* decide
  yield* pause(entry, step.delay)
  if (step.kind === "refuse") {
    return yield* fail(new ConnectionError({ code: "ECONNREFUSED", message: `connect ECONNREFUSED ${request.url}` }))
  }
  if (step.kind === "reset") return yield* fail(connectionReset)
  if (step.kind === "silence") yield* whileWanted(entry, Effect.never)

  const headers = Play.headers(step, entry.request)
  const size = Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  if (size > maxHeaderBytes) {
    return yield* fail(
      new ConnectionError({ code: "UND_ERR_HEADERS_OVERFLOW", message: `The headers have ${size} bytes` })
    )
  }
  return new ScriptedResponse(request, step.status, Headers.fromInput(headers), playBody(step, entry))
})

const play = (script: Script.Script) => {
  const journal = Journal.make(script)
  const client = HttpClient.make(
    Effect.fnUntraced(function* (request, url, signal) {
      const body = Journal.readBody(yield* requestBytes(request))
      const { entry, step } = journal.receive({
        method: request.method,
        url: url.toString(),
        path: url.pathname,
        headers: request.headers,
        body,
        receivedAt: yield* Clock.currentTimeMillis
      })
      yield* Effect.sync(() => {
        if (signal.aborted) entry.abort()
        signal.addEventListener("abort", entry.abort, { once: true })
      })
      return yield* playStep(step, entry, request).pipe(
        Effect.mapError((cause) => new HttpClientError.RequestError({ request, reason: "Transport", cause })),
        Effect.onInterrupt(() => Effect.sync(entry.abort))
      )
    })
  )
  const { aborted, failUnexpected, requests, verify } = journal
  return { client, backend: { requests, aborted, verify }, failUnexpected }
}

/**
 * A client that plays the script, and what it recorded. Whether the requests were as expected is for `verify` to say.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  script: Script.Script
): { readonly client: HttpClient.HttpClient; readonly backend: ScriptedBackend.Service } => {
  const { backend, client } = play(script)
  return { backend, client }
}

/**
 * @since 0.1.0
 * @category configuration
 */
export interface Options {
  /**
   * What becomes of a test in which a request came that the script has no step for, or that is not as a step expects:
   * by default it fails when the Layer ends, even where the program went on. `answer` leaves it at the answer.
   */
  readonly onUnexpected?: "fail" | "answer"
}

/**
 * `HttpClient` that plays the script, and the {@link ScriptedBackend} behind it. A request that was not expected fails
 * the test.
 *
 * @example
 * ```ts
 * import * as HttpClient from "@effect/platform/HttpClient"
 * import * as Script from "@effect-codex/testing/Script"
 * import * as ScriptedBackend from "@effect-codex/testing/ScriptedBackend"
 * import * as Effect from "effect/Effect"
 *
 * const program = HttpClient.get("https://chatgpt.com/backend-api/codex/models").pipe(
 *   Effect.provide(ScriptedBackend.layer([Script.status(503)]))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (script: Script.Script, options?: Options): Layer.Layer<HttpClient.HttpClient | ScriptedBackend> =>
  Layer.scopedContext(
    Effect.gen(function* () {
      const { backend, client, failUnexpected } = play(script)
      if (options?.onUnexpected !== "answer") yield* Effect.addFinalizer(() => failUnexpected)
      return Context.make(HttpClient.HttpClient, client).pipe(Context.add(ScriptedBackend, backend))
    })
  )
