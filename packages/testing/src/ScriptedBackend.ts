/**
 * Plays a script as an `HttpClient`, without sockets and in the time of the clock it runs under.
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
    /** How many WebSockets were asked for so far, and how many are open or on their way. */
    readonly sockets: Effect.Effect<{ readonly opened: number; readonly open: number }>
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

/** Does `wait` unless the client gives up before. */
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
 * A client that plays the script, and what it recorded. Whether the requests were as expected is for `verify` to say.
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
   * What becomes of a test in which a request came that the script has no step for, or that is not as a step expects:
   * by default it fails when the Layer ends, even where the program went on. `answer` leaves it at the answer.
   */
  readonly onUnexpected?: "fail" | "answer"
  /**
   * Whose time the waits of a script take: `virtual` is that of the clock the program runs under, such as `TestClock`;
   * `real` is that of this computer; `fast` waits for nothing. Default: `virtual`.
   */
  readonly time?: "virtual" | "real" | "fast"
  /**
   * How the WebSockets that are asked for are answered, in turn; the rest are let in, or answered as a strict backend
   * does. They take no step of the script.
   */
  readonly handshakes?: ReadonlyArray<Script.Handshake>
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
      const { backend, client, failUnexpected, sockets } = play(script, options)
      const { connector, count } = yield* sockets
      if (options?.onUnexpected !== "answer") yield* Effect.addFinalizer(() => failUnexpected)
      return Context.make(HttpClient.HttpClient, client).pipe(
        Context.add(ScriptedBackend, { ...backend, sockets: Effect.sync(() => ({ ...count })) }),
        Context.add(WebSocketConnector.WebSocketConnector, connector)
      )
    })
  )
