/**
 * The abstraction over connections that send requests and receive responses.
 *
 * A carrier sends a request and reports the response through callbacks. Timeouts, decoding, backend errors, retries and
 * spans are implemented once, above all carriers.
 *
 * The Layer selects the carrier: {@link layerHttpClient} uses any `HttpClient`, so client middleware sees every
 * request; `layer` of the `/node` entry uses undici directly, which is faster.
 *
 * @since 0.1.0
 */
import * as Cookies from "@effect/platform/Cookies"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as BoundRequest from "@effect-codex/auth/BoundRequest"
import type * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"
import type * as RoutingToken from "@effect-codex/schema/RoutingToken"
import type { Route } from "@effect-codex/schema/Turn"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"

/**
 * A request. Header names are in lower case; the headers contain credentials.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  readonly method: "GET" | "POST"
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** The turn of the body, if it may use a WebSocket. */
  readonly turn?: Turn
}

/**
 * A turn to send over a WebSocket. In mode `auto` it can fall back to SSE until a response has started.
 *
 * @since 0.1.0
 * @category models
 */
export interface Turn {
  readonly request: ResponsesRequest.ResponsesRequest
  readonly mode: "auto" | "websocket"
  /**
   * Prepares a later turn: only opens the socket (`connect`), or also sends the request with `generate: false`
   * (`warm_up`). Doing nothing, or a failed connection in mode `auto`, is not a failure.
   */
  readonly ahead?: "connect" | "warm_up" | undefined
  /** Whether no further turn of the conversation follows: its socket is closed after it. */
  readonly single?: boolean
  /** The handshake timeout, in milliseconds. */
  readonly handshakeLimit: number
  readonly routingToken?: RoutingToken.RoutingToken | undefined
  /** Called when the transport is known, and again if it changes. */
  readonly onRoute?: (route: Route) => void
}

/**
 * Why a request failed. `cause` is the client's error; only its codes are used. `url` means an invalid URL,
 * `redirect` that the client followed a redirect to another origin, `defect` a bug in the client.
 *
 * @since 0.1.0
 * @category models
 */
export interface CarrierFailure {
  readonly cause: unknown
  readonly reason?: "url" | "redirect" | "defect"
}

/**
 * Receives the response in this order: the headers once, then the body as bytes (`onData`) or as text messages of one
 * event each (`onMessage`), then the end. `onFailure` can happen at any point and is the last call. After `abort` there
 * are no calls.
 *
 * @since 0.1.0
 * @category models
 */
export interface Receiver {
  readonly onHeaders: (
    status: number,
    headers: Readonly<Record<string, string | undefined>>,
    setCookies: ReadonlyArray<string>
  ) => void
  readonly onData: (bytes: Uint8Array) => void
  readonly onMessage: (text: string) => void
  readonly onEnd: () => void
  readonly onFailure: (failure: CarrierFailure) => void
}

/**
 * Controls a running request. While paused, only data already in transit is received.
 *
 * @since 0.1.0
 * @category models
 */
export interface Control {
  /** `silent`: because of an idle timeout. */
  readonly abort: (reason?: "silent") => void
  readonly pause: () => void
  readonly resume: () => void
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Sends the request. Callbacks may run before this effect completes. */
  readonly send: (request: Request, receiver: Receiver) => Effect.Effect<Control>
}

/**
 * The carrier that sends requests.
 *
 * @since 0.1.0
 * @category tags
 */
export class Carrier extends Context.Tag("@effect-codex/transport/Carrier")<Carrier, Service>() {}

/** A client that fails on error statuses still includes the response in its error. */
const responseOf = (
  error: HttpClientError.HttpClientError
): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> =>
  error._tag === "ResponseError" && error.reason === "StatusCode" ? Effect.succeed(error.response) : Effect.fail(error)

/** Headers that hold no secret. All others, also those of the configuration, may. */
const openHeaders: ReadonlySet<string> = new Set([
  "accept",
  "content-encoding",
  "content-type",
  "openai-beta",
  "originator",
  "user-agent",
  "version"
])

/** Splits off what is sent only to the request's own origin, because a client may follow redirects. */
const bind = (request: Request): readonly [HttpClientRequest.HttpClientRequest, BoundRequest.Bound] => {
  const headers = Object.entries(request.headers)
  const pick = (open: boolean) => Object.fromEntries(headers.filter(([name]) => openHeaders.has(name) === open))
  const origin = URL.canParse(request.url) ? new URL(request.url).origin : request.url
  return [toClientRequest({ ...request, headers: pick(true) }), { origin, headers: pick(false), isBodySecret: true }]
}

const toClientRequest = ({ body, headers, method, url }: Request): HttpClientRequest.HttpClientRequest => {
  const request = HttpClientRequest.make(method)(url, { headers })
  return body === undefined ? request : HttpClientRequest.bodyUint8Array(request, body, headers["content-type"])
}

const endOf = (
  end: Option.Option<HttpClientError.HttpClientError>
): Effect.Effect<void, HttpClientError.HttpClientError> =>
  Option.match(end, { onNone: () => Effect.void, onSome: Effect.fail })

const failureOf = (cause: Cause.Cause<HttpClientError.HttpClientError>): CarrierFailure => {
  const failed = Cause.failureOption(cause)
  if (Option.isNone(failed)) {
    return Cause.isInterruptedOnly(cause) ? { cause: undefined } : { cause: Cause.squash(cause), reason: "defect" }
  }
  const error = failed.value
  if (BoundRequest.isRedirected(error)) return { cause: undefined, reason: "redirect" }
  return error._tag === "RequestError" && error.reason === "InvalidUrl"
    ? { cause: error.cause, reason: "url" }
    : { cause: error.cause }
}

/**
 * The runtime for a request fiber, without tracing and redirects: spans would record the request, and redirects would
 * leak its secrets.
 */
const isolated = (runtime: Runtime.Runtime<never>): Runtime.Runtime<never> =>
  runtime.pipe(
    Runtime.setFiberRef(FiberRef.currentTracerEnabled, false),
    Runtime.updateContext(BoundRequest.refusingRedirects<never>)
  )

/**
 * A carrier over any `HttpClient`. Each request runs in its own fiber, which inherits the FiberRefs of the sending
 * fiber.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromHttpClient = (httpClient: HttpClient.HttpClient): Service => {
  const client = HttpClient.withScope(httpClient)
  return {
    send: (request, receiver) =>
      Effect.map(Effect.runtime<never>(), (inherited): Control => {
        const runtime = isolated(inherited)
        let resumed: (() => void) | undefined
        let paused = false
        let aborted = false
        const whilePaused = Effect.async<void>((resume) => {
          if (!paused) return resume(Effect.void)
          resumed = () => resume(Effect.void)
        })
        const [plain, bound] = bind(request)
        const sending = BoundRequest.execute(client, plain, bound).pipe(Effect.catchAll(responseOf))
        const running = sending.pipe(
          Effect.flatMap((response) => {
            if (aborted) return Effect.void
            receiver.onHeaders(response.status, response.headers, Cookies.toSetCookieHeaders(response.cookies))
            // pulled manually: running a stream costs more than a small turn
            return Effect.flatMap(Stream.toPull(response.stream), (pull) =>
              Effect.forever(
                Effect.flatMap(pull, (chunk) => {
                  for (const bytes of chunk) if (!aborted) receiver.onData(bytes)
                  return aborted ? Effect.interrupt : paused ? whilePaused : Effect.void
                })
              )
            )
          }),
          Effect.catchAll((error) => (Option.isOption(error) ? endOf(error) : Effect.fail(error))),
          Effect.scoped,
          Effect.matchCause({
            onSuccess: () => {
              if (!aborted) receiver.onEnd()
            },
            onFailure: (cause) => {
              if (!aborted) receiver.onFailure(failureOf(cause))
            }
          }),
          Effect.interruptible
        )
        const fiber = Runtime.runFork(runtime)(running)
        return {
          abort: () => {
            if (aborted) return
            aborted = true
            fiber.unsafeInterruptAsFork(FiberId.none)
          },
          pause: () => {
            paused = true
          },
          resume: () => {
            paused = false
            resumed?.()
            resumed = undefined
          }
        }
      })
  }
}

/**
 * @since 0.1.0
 * @category layers
 */
export const layerHttpClient: Layer.Layer<Carrier, never, HttpClient.HttpClient> = Layer.effect(
  Carrier,
  Effect.map(HttpClient.HttpClient, fromHttpClient)
)
