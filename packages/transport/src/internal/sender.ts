/** Sends a request with credentials and waits for the headers of a 200, or fails with the error of the response. */
import type { AuthError } from "@effect-codex/auth/AuthError"
import type * as CodexAuth from "@effect-codex/auth/CodexAuth"
import type * as Credentials from "@effect-codex/auth/Credentials"
import { defined } from "@effect-codex/schema/Defined"
import * as ErrorStatement from "@effect-codex/schema/ErrorStatement"
import type { FailedExchange } from "@effect-codex/schema/FailedExchange"
import * as Failure from "@effect-codex/schema/Failure"
import * as Monotonic from "@effect-codex/schema/Monotonic"
import * as RateLimits from "@effect-codex/schema/RateLimits"
import * as Redaction from "@effect-codex/schema/Redaction"
import type * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"
import * as RoutingToken from "@effect-codex/schema/RoutingToken"
import type * as Turn from "@effect-codex/schema/Turn"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Metric from "effect/Metric"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import * as Carrier from "../Carrier.ts"
import type * as CodexConfig from "../CodexConfig.ts"
import type { ResponseMetadata } from "../CodexTransport.ts"
import { Compression } from "../Compression.ts"
import * as ErrorResponse from "../ErrorResponse.ts"
import * as FailureCapture from "../FailureCapture.ts"
import * as Metrics from "../Metrics.ts"
import * as RateLimitWatch from "../RateLimitWatch.ts"
import { TextReader } from "../Reader.ts"
import * as Tracing from "../Tracing.ts"
import { HttpFailure, type RoutingFailed, TimedOut, type TransportError } from "../TransportError.ts"
import { WebSocketConnector } from "../WebSocketConnector.ts"
import * as WorkspaceRouting from "../WorkspaceRouting.ts"
import * as Compressing from "./compression.ts"
import * as Cookies from "./cookies.ts"
import { type BodyReader, Exchange, type ExchangeError, type Head } from "./exchange.ts"
import * as Limits from "./limits.ts"
import { secretsOf } from "./secrets.ts"
import * as Timer from "./timer.ts"
import * as WebSocketCarrier from "./webSocketCarrier.ts"

/** The parts of a request that stay the same when it is sent again with other credentials. */
export interface Plan {
  readonly config: CodexConfig.Service
  readonly startedAt: number
  readonly deadline: number | undefined
  readonly url: (route: WorkspaceRouting.Route) => string
  readonly headers: (
    credentials: Credentials.Credentials,
    route: WorkspaceRouting.Route
  ) => Readonly<Record<string, string>>
  /** The POST body; if absent, the request is a GET. */
  readonly body?: { readonly request: ResponsesRequest.ResponsesRequest; readonly bytes: Uint8Array } | undefined
  /** Whether the turn may or must use a WebSocket. */
  readonly socket?: Pick<Carrier.Turn, "mode" | "handshakeLimit" | "ahead" | "single"> | undefined
  readonly routingToken?: RoutingToken.RoutingToken | undefined
  readonly isRouted: boolean
}

/** A running request. It is created before anything is sent, so that it can be closed at any time. */
export interface Call {
  /** The reader of a successful body. */
  readonly body: BodyReader
  exchange: Exchange | undefined
  credentials: Credentials.Credentials | undefined
  span: Tracer.Span | undefined
  /** The text of an error response. */
  payload: string | undefined
  /** The transport of the turn, once known. */
  route: Turn.Route | undefined
}

export const newCall = (body: BodyReader): Call => ({
  body,
  exchange: undefined,
  credentials: undefined,
  span: undefined,
  payload: undefined,
  route: undefined
})

/** Whether the response is that of a handshake, which opened no socket. */
const isHandshake = ({ route }: Call): boolean => route?.via === "websocket" && route.input === undefined

/**
 * Makes a call whose response is one JSON document. `refusal` is the error of a text that is not one, or that states an
 * error.
 */
export const newDocument = (): {
  readonly call: Call
  readonly json: (
    refusal: (text: string) => Effect.Effect<TransportError>
  ) => Effect.Effect<unknown, TransportError | ExchangeError>
} => {
  const reader = new TextReader(documentLimit)
  const call = newCall({ reader, keep: false })
  return {
    call,
    json: (refusal) =>
      Effect.suspend(() => {
        const { headers, status } = call.exchange?.head ?? { headers: {}, status: 200 }
        const value = Effect.suspend(() => {
          if (reader.isFull) {
            return Effect.fail(new HttpFailure({ ...ErrorResponse.ids(headers), status, reason: "tooLarge" }))
          }
          const { text } = reader
          const refused = (words: string) =>
            Effect.flatMap(refusal(words.slice(0, errorBodyLimit.bytes)), (error) => Effect.fail(error))
          return Effect.matchEffect(
            Effect.try((): unknown => JSON.parse(text)),
            {
              // a document that was cut off is not a message
              onFailure: () => refused(/^\s*[[{]/.test(text) ? "" : text),
              onSuccess: (json) => (statesError(json) ? refused(text) : Effect.succeed(json))
            }
          )
        })
        return call.exchange === undefined ? value : Effect.zipRight(call.exchange.pull, value)
      })
  }
}

/** Some relays send errors with the status of a success. */
const statesError = (json: unknown): boolean =>
  ["error", "errors", "detail"].some((key) => Predicate.hasProperty(json, key) && ErrorStatement.isPresent(json[key]))

/** The maximum size and time for reading an error body. */
const errorBodyLimit = { bytes: 65_536, millis: 10_000 }

/** The maximum size of a JSON document, in bytes. */
const documentLimit = 16_777_216

const metadataOf = (headers: Head["headers"], now: number): ResponseMetadata =>
  defined({
    model: headers["openai-model"],
    ...ErrorResponse.ids(headers),
    modelsEtag: headers["x-models-etag"],
    etag: headers["etag"],
    rateLimits: RateLimits.fromHeaders(headers, now),
    routingToken: RoutingToken.fromHeaders(headers),
    contentType: headers["content-type"],
    date: dateOf(headers["date"])
  })

const dateOf = (text: string | undefined): number | undefined => {
  const date = Date.parse(text ?? "")
  return Number.isNaN(date) ? undefined : date
}

const timedOut = ({ deadline = 0, startedAt }: Plan) =>
  new TimedOut({ phase: "total", limitMillis: Math.max(0, deadline - startedAt) })

/** Fails at the call's deadline. */
export const withinDeadline =
  (plan: Plan) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | TimedOut, R> => {
    const { deadline, startedAt } = plan
    if (deadline === undefined) return self
    return deadline <= startedAt
      ? Effect.fail(timedOut(plan))
      : Effect.timeoutFail(self, { duration: deadline - startedAt, onTimeout: () => timedOut(plan) })
  }

export interface Sender {
  /**
   * Sends with the current credentials and waits for the headers of a 200. After a 401 the request is sent once more
   * with renewed credentials (protocol F.7).
   */
  readonly send: (call: Call, plan: Plan) => Effect.Effect<ResponseMetadata, TransportError | AuthError>
  /** Closes the sockets of a thread. */
  readonly leave: (thread: string) => void
  /** The error of a 200 whose body is not the expected content. */
  readonly refusal: (call: Call, plan: Plan, text: string) => Effect.Effect<TransportError>
  /** Removes the request's secrets from the texts of span attributes. */
  readonly scrubAttributes: (
    call: Call,
    plan: Plan,
    attributes: Readonly<Record<string, unknown>>
  ) => Readonly<Record<string, unknown>>
  /** Counts and captures the error, then fails with it. */
  readonly fail: <E extends Failure.Failure>(call: Call, plan: Plan | undefined, error: E) => Effect.Effect<never, E>
}

export interface Options {
  readonly auth: CodexAuth.Service
  /** Plans the request for the route of an account. */
  readonly planRoute: (plan: Plan) => Plan
}

export const make = ({
  auth,
  planRoute
}: Options): Effect.Effect<
  Sender,
  never,
  Carrier.Carrier | RateLimitWatch.RateLimitWatch | FailureCapture.FailureCapture | Scope.Scope
> =>
  Effect.gen(function* () {
    const http = yield* Carrier.Carrier
    const connector = yield* WebSocketConnector
    const clock = yield* Effect.clock
    const carrier = WebSocketCarrier.make({
      connector,
      http,
      now: () => Monotonic.unsafeNow(clock),
      timer: yield* Timer.make(clock)
    })
    let saidFallback = false
    const watch = yield* RateLimitWatch.RateLimitWatch
    const failures = yield* FailureCapture.FailureCapture
    const compressed = Compressing.make(yield* Compression)
    const routes = yield* Ref.make<ReadonlyMap<string, WorkspaceRouting.Route>>(new Map())
    const routing = yield* Effect.makeSemaphore(1)
    const cookies = new Cookies.Jar()
    const open = new Set<Exchange>()
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        carrier.close()
        for (const exchange of open) exchange.shutDown()
      })
    )

    const secrets = (call: Call, plan: Plan): ReadonlyArray<string> =>
      call.credentials === undefined
        ? []
        : secretsOf(call.credentials, plan.body?.request, plan.routingToken, [
            ...Object.values(plan.config.headers),
            ...cookies.values
          ])

    const scrubber = (call: Call, plan: Plan) => {
      const hidden = secrets(call, plan)
      return (text: string) => Redaction.scrub(text, { secrets: hidden })
    }

    const scrubAttributes: Sender["scrubAttributes"] = (call, plan, attributes) => {
      const scrub = scrubber(call, plan)
      return Object.fromEntries(
        Object.entries(attributes).map(([key, value]) => [key, typeof value === "string" ? scrub(value) : value])
      )
    }

    const fail: Sender["fail"] = (call, plan, unscrubbed) =>
      Effect.gen(function* () {
        // Any text of the server can quote the request, also its ids.
        const error = plan === undefined ? unscrubbed : Failure.mapTexts(unscrubbed, scrubber(call, plan))
        yield* Metric.increment(Metric.tagged(Metrics.errors, "error.type", error._tag))
        call.span?.attribute("error.type", error._tag)
        if (plan?.config.failureCapture !== true || call.exchange === undefined) return yield* Effect.fail(error)
        const request = plan.body?.request
        const payload = call.payload ?? error.serverMessage
        const exchange: FailedExchange = defined({
          provider: "openai-codex" as const,
          error: error._tag,
          model: request?.model,
          status: error.status,
          requestId: error.requestId,
          cfRay: error.cfRay,
          responseId: error.responseId,
          request: request && FailureCapture.outline(request),
          response: payload === undefined ? undefined : FailureCapture.payload(payload, secrets(call, plan)),
          at: yield* Clock.currentTimeMillis
        })
        yield* failures.record(exchange)
        return yield* Effect.fail(Failure.withFacts<Failure.Failure>(error, { exchange: Redacted.make(exchange) }))
      }) as Effect.Effect<never, typeof unscrubbed>

    /** Sends the bytes and waits for the headers of a 200, or fails with the error of the response. */
    const exchange = (
      call: Call,
      plan: Plan,
      request: Carrier.Request
    ): Effect.Effect<ResponseMetadata, TransportError> =>
      Effect.gen(function* () {
        const clock = yield* Effect.clock
        const timer = yield* Timer.make(clock)
        const labels = yield* FiberRef.get(FiberRef.currentMetricLabels)
        const now = () => Monotonic.unsafeNow(clock)
        const timeOfDay = () => clock.unsafeCurrentTimeMillis()
        let refusal: TextReader | undefined
        let arrivedAt = 0
        const current = new Exchange({
          now,
          timer,
          limits: Limits.make(plan.config.timeouts, plan.startedAt, plan.deadline),
          ids: ErrorResponse.ids,
          readerOf: ({ setCookies, status }) => {
            arrivedAt = timeOfDay()
            if (plan.config.cookies) cookies.store(request.url, setCookies, arrivedAt)
            Metrics.timeToHeaders.unsafeUpdate(now() - sentAt, labels)
            // the content type of a 200 is unreliable, so the body decides (protocol 0.3)
            if (status === 200 && !isHandshake(call)) return call.body
            refusal = new TextReader(errorBodyLimit.bytes)
            return { reader: refusal, keep: false, enoughAfter: errorBodyLimit.millis }
          },
          onFirstBytes: (elapsed) => Metrics.timeToFirstEvent.unsafeUpdate(elapsed, labels),
          onClosed: () => open.delete(current)
        })
        call.exchange?.abort()
        call.exchange = current
        call.route = undefined
        open.add(current)
        const sentAt = now()
        Metrics.requests.unsafeUpdate(1, labels)
        const cookie = plan.config.cookies ? cookies.header(request.url, timeOfDay()) : undefined
        yield* current.start(
          carrier,
          cookie === undefined ? request : { ...request, headers: { ...request.headers, cookie } }
        )
        const { headers, status } = yield* Effect.ensuring(current.headers, noteRoute(call))
        call.span?.attribute("http.response.status_code", status)
        const metadata = metadataOf(headers, arrivedAt)
        if (metadata.rateLimits !== undefined) watch.unsafeUpdate(metadata.rateLimits)
        if (refusal === undefined) return metadata
        current.abort()
        return yield* Effect.flatMap(toError(call, plan, refusal.text), Effect.fail)
      })

    const toError: Sender["refusal"] = (call, plan, text) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const { headers, status } = call.exchange?.head ?? { headers: {}, status: 200 }
        call.payload = text
        return ErrorResponse.toError(
          { status, headers, body: text, handshake: isHandshake(call) },
          { now, model: plan.body?.request.model, secrets: secrets(call, plan) }
        )
      })

    /** Records the transport of a request and counts fallbacks to SSE; a client's first fallback is logged. */
    const noteRoute = (call: Call): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (call.route === undefined) return Effect.void
        const { at, fallback, input, reason, via } = call.route
        Tracing.annotate(call, {
          "codex.transport": via,
          "codex.transport.fallback": fallback,
          "codex.websocket.input": input && [input, reason, at].filter((part) => part !== undefined).join(" ")
        })
        if (fallback === undefined) return Effect.void
        const counted = Metric.increment(Metric.tagged(Metrics.fallbacks, "reason", fallback))
        if (saidFallback) return counted
        saidFallback = true
        return Effect.zipRight(
          counted,
          Effect.logWarning(`A turn fell back from WebSocket to server-sent events (${fallback}).`)
        )
      })

    /** Sends a plan with these credentials. */
    const sendVia = (call: Call, plan: Plan, credentials: Credentials.Credentials, route: WorkspaceRouting.Route) => {
      call.credentials = credentials
      const url = plan.url(route)
      if (plan.body === undefined) {
        return exchange(call, plan, { method: "GET", url, headers: plan.headers(credentials, route) })
      }
      const { bytes, request } = plan.body
      const headers = { "content-type": "application/json", ...plan.headers(credentials, route) }
      const post = (body: Uint8Array, encoding: Readonly<Record<string, string>>) =>
        exchange(call, plan, {
          method: "POST",
          url,
          headers: { ...headers, ...encoding },
          body,
          ...(plan.socket !== undefined && {
            turn: {
              request,
              ...plan.socket,
              routingToken: plan.routingToken,
              onRoute: (route) => {
                call.route = route
              }
            }
          })
        })
      return plan.config.compression === "zstd" ? compressed(bytes, post) : post(bytes, {})
    }

    /** The route of the account, fetched once. */
    const routeOf = Effect.fnUntraced(
      function* (plan: Plan, credentials: Credentials.Credentials) {
        const accountId = Redacted.value(credentials.accountId)
        const key = `${plan.config.baseUrl} ${accountId}`
        const known = (yield* Ref.get(routes)).get(key)
        if (known !== undefined) return known
        const document = newDocument()
        const asking = Effect.flatMap(sendVia(document.call, planRoute(plan), credentials, {}), (metadata) =>
          Effect.flatMap(
            document.json((text) => toError(document.call, plan, text)),
            (answer) =>
              Effect.mapError(WorkspaceRouting.fromAnswer(answer, accountId, plan.config.workspaceDomains), (error) =>
                Failure.withFacts<RoutingFailed>(error, { requestId: metadata.requestId, cfRay: metadata.cfRay })
              )
          )
        )
        const route = yield* Effect.ensuring(
          asking,
          Effect.sync(() => document.call.exchange?.close())
        )
        yield* Ref.update(routes, (all) => new Map(all).set(key, route))
        return route
      },
      (effect) => routing.withPermits(1)(effect)
    )

    const send: Sender["send"] = (call, plan) => {
      const sendAs = (credentials: Credentials.Credentials) =>
        plan.isRouted
          ? Effect.flatMap(routeOf(plan, credentials), (route) => sendVia(call, plan, credentials, route))
          : sendVia(call, plan, credentials, {})
      return Effect.flatMap(auth.credentials, (credentials) =>
        Effect.catchTag(sendAs(credentials), "Unauthorized", (error) => {
          call.span?.attribute("codex.auth.recovered", true)
          return Effect.flatMap(auth.recover(credentials, error), sendAs)
        })
      ).pipe(withinDeadline(plan))
    }

    return { send, leave: carrier.leave, refusal: toError, scrubAttributes, fail }
  })
