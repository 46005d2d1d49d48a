/**
 * Plays a script as an `HttpClient`, without sockets and by the `Clock` of the program.
 *
 * @since 0.1.0
 */
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { WebSocketConnector } from "@effect-codex/transport"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Http from "./internal/http.ts"
import * as Journal from "./internal/journal.ts"
import * as Play from "./internal/play.ts"
import * as SocketsInMemory from "./internal/socketsInMemory.ts"
import type * as Request from "./Request.ts"
import type * as Script from "./Script.ts"

/**
 * A received request, and whether the client aborted it before the response was complete.
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
    /** The number of WebSockets requested so far, and of those open or connecting. */
    readonly sockets: Effect.Effect<{ readonly opened: number; readonly open: number }>
    /** Completes when the client aborts the request with this number (from 1), which may not have arrived yet. */
    readonly aborted: (number: number) => Effect.Effect<void>
    /** Fails if a request was not expected, or a step of a list was not used. */
    readonly verify: Effect.Effect<void, Script.ScriptMismatch>
  }
}

/** A connection error, with the `code` and message of Node's clients. */
class ConnectionError extends Data.TaggedError("ConnectionError")<{
  readonly code: string
  readonly message: string
}> {}

const connectionReset = new ConnectionError({ code: "ECONNRESET", message: "read ECONNRESET" })
const clientGone = new ConnectionError({ code: "ABORT_ERR", message: "This operation was aborted" })

/** The header limit of Node's HTTP clients. */
const maxHeaderBytes = 16_384

/** Runs `wait` unless the client aborts first. */
const whileWanted = (entry: Journal.Entry, wait: Effect.Effect<void>): Effect.Effect<void, ConnectionError> =>
  Effect.raceFirst(wait, Effect.zipRight(Deferred.await(entry.aborted), clientGone))

/** How time goes by. */
type Sleep = (duration: Duration.Duration) => Effect.Effect<void>

const pause = (
  entry: Journal.Entry,
  duration: Duration.Duration,
  sleep: Sleep
): Effect.Effect<void, ConnectionError> =>
  Duration.greaterThan(duration, Duration.zero)
    ? whileWanted(entry, sleep(duration))
    : Effect.flatMap(Deferred.isDone(entry.aborted), (gone) => (gone ? clientGone : Effect.void))

const playBody = (
  step: Script.Step,
  entry: Journal.Entry,
  sleep: Sleep
): Stream.Stream<Uint8Array, ConnectionError> => {
  const reset = Effect.zipRight(Effect.sync(entry.finish), connectionReset)
  const ending = { close: Effect.void, reset, silence: whileWanted(entry, Effect.never) }[step.ending]
  return Stream.fromIteratorSucceed(Play.pieces(step, entry.request), 1).pipe(
    Stream.mapEffect(({ bytes, wait }) => Effect.as(pause(entry, wait, sleep), bytes)),
    Stream.concat(Stream.execute(Effect.zipRight(pause(entry, step.endDelay, sleep), ending))),
    Stream.onEnd(Effect.sync(entry.finish)),
    Stream.ensuring(Effect.sync(entry.abort))
  )
}

const playStep = Effect.fnUntraced(function* (
  decide: Effect.Effect<Script.Step>,
  entry: Journal.Entry,
  request: HttpClientRequest.HttpClientRequest,
  sleep: Sleep
) {
  const fail = (error: ConnectionError) => Effect.zipRight(Effect.sync(entry.finish), error)
  const step = yield* decide
  yield* pause(entry, step.delay, sleep)
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
  return new Http.StreamResponse(request, step.status, Headers.fromInput(headers), playBody(step, entry, sleep))
})

const play = (script: Script.Script, options: Options = {}) => {
  const sleep: Sleep =
    options.time === "real" ? Clock.make().sleep : options.time === "fast" ? () => Effect.void : Effect.sleep
  const journal = Journal.make(script)
  const client = HttpClient.make(
    Effect.fnUntraced(function* (request, url, signal) {
      const body = Journal.readBody(yield* Http.requestBytes(request))
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
      return yield* playStep(step, entry, request, sleep).pipe(
        Effect.mapError((cause) => new HttpClientError.RequestError({ request, reason: "Transport", cause })),
        Effect.onInterrupt(() => Effect.sync(entry.abort))
      )
    })
  )
  const { aborted, failUnexpected, requests, verify } = journal
  const sockets = SocketsInMemory.make({ journal, sleep, script, handshakes: options.handshakes ?? [] })
  return { client, sockets, backend: { requests, aborted, verify, sockets: noSockets }, failUnexpected }
}

const noSockets = Effect.succeed({ opened: 0, open: 0 })

/**
 * Creates a client that plays the script, and its recorded requests. `verify` checks the expectations.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  script: Script.Script,
  options?: Pick<Options, "time">
): { readonly client: HttpClient.HttpClient; readonly backend: ScriptedBackend.Service } => {
  const { backend, client } = play(script, options)
  return { backend, client }
}

/**
 * @since 0.1.0
 * @category configuration
 */
export interface Options {
  /**
   * What to do after a request without a step, or one that does not match its step: by default the test fails when the
   * Layer ends, even if the program continued. `answer` only sends the error response.
   */
  readonly onUnexpected?: "fail" | "answer"
  /**
   * The clock for the delays of a script: `virtual` uses the program's `Clock`, such as `TestClock`, `real` uses real
   * time, and `fast` skips all delays. Default: `virtual`.
   */
  readonly time?: "virtual" | "real" | "fast"
  /**
   * The responses to WebSocket handshakes, in order. Later handshakes are accepted, or checked as by a strict backend.
   * A handshake does not use a step of the script.
   */
  readonly handshakes?: ReadonlyArray<Script.Handshake>
}

/**
 * An `HttpClient` that plays the script, and its {@link ScriptedBackend}. An unexpected request fails the test.
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
      const { backend, client, failUnexpected, sockets } = play(script, options)
      const { connector, count } = yield* sockets
      if (options?.onUnexpected !== "answer") yield* Effect.addFinalizer(() => failUnexpected)
      return Context.make(HttpClient.HttpClient, client).pipe(
        Context.add(ScriptedBackend, { ...backend, sockets: Effect.sync(() => ({ ...count })) }),
        Context.add(WebSocketConnector.WebSocketConnector, connector)
      )
    })
  )
