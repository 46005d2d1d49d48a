/**
 * Records the exchanges of an `HttpClient` to a cassette, without credentials, accounts, encrypted content, e-mail
 * addresses and cookies, so that the file can be committed.
 *
 * @since 0.1.0
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Cassette from "./Cassette.ts"
import { concat } from "./internal/bytes.ts"
import type { Chunk, Exchange, NoResponse, Request, Response } from "./internal/cassette/exchange.ts"
import * as Leaks from "./internal/cassette/leaks.ts"
import * as Scrub from "./internal/cassette/scrub.ts"
import * as Http from "./internal/http.ts"

/**
 * The recording cannot be written.
 *
 * - `secret`: it still contains a secret. This is a final check. The error never contains the secret.
 * - `compressed`: a body is compressed, so that its content cannot be checked.
 *
 * @since 0.1.0
 * @category errors
 */
export class RecorderError extends Data.TaggedError("RecorderError")<{
  readonly reason: "secret" | "compressed"
  readonly file: string
  readonly detail: string
}> {
  override get message() {
    return `The recording is not written to ${this.file}. ${this.detail}`
  }
}

/**
 * @since 0.1.0
 * @category configuration
 */
export interface Options {
  /**
   * Additional values to remove from the file, such as an API key of a tool.
   */
  readonly secrets?: ReadonlyArray<Redacted.Redacted>
}

/**
 * A recording in progress.
 *
 * @since 0.1.0
 * @category tags
 */
export class Recorder extends Context.Tag("@effect-codex/testing/Recorder")<Recorder, Recorder.Service>() {}

/**
 * @since 0.1.0
 */
export declare namespace Recorder {
  /**
   * @since 0.1.0
   * @category models
   */
  interface Service {
    /** The recording so far, in the form that would be written. */
    readonly cassette: Effect.Effect<Cassette.Cassette>
    /** Writes the file now. Later exchanges are written when the Layer ends, or with the next `save`. */
    readonly save: Effect.Effect<void, RecorderError | PlatformError>
  }
}

/** An exchange in progress. */
interface Growing {
  readonly request: Request
  response: Response | NoResponse
}

const headersOf = (headers: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.toLowerCase(), String(value)]]
    )
  )

/** The URL including the separate parameters of the request. */
const urlOf = (request: HttpClientRequest.HttpClientRequest): string =>
  Either.match(UrlParams.makeUrl(request.url, request.urlParams, request.hash), {
    onLeft: () => request.url,
    onRight: (url) => url.toString()
  })

const noResponse = (reason: NoResponse["reason"], wait: number): NoResponse => ({ _tag: "NoResponse", reason, wait })

/** Whether a failed request reached the server. */
const reasonOf = (error: HttpClientError.HttpClientError): NoResponse["reason"] => {
  for (let at: unknown = error, depth = 0; at !== undefined && at !== null && depth < 6; depth++) {
    const { code, cause } = at as { readonly code?: unknown; readonly cause?: unknown }
    if (code === "ECONNREFUSED") return "refused"
    at = cause
  }
  return "reset"
}

/** A body that can be sent and recorded. */
const withBytes = (request: HttpClientRequest.HttpClientRequest) =>
  request.body._tag === "Stream"
    ? Effect.map(Http.requestBytes(request), (bytes) =>
        HttpClientRequest.setBody(request, HttpBody.uint8Array(bytes, request.body.contentType))
      )
    : Effect.succeed(request)

/** Requests uncompressed responses, because the content of compressed ones cannot be checked. */
const uncompressed = (request: HttpClientRequest.HttpClientRequest) =>
  HttpClientRequest.setHeader(request, "accept-encoding", "identity")

const recordResponse = (
  exchange: Growing,
  response: HttpClientResponse.HttpClientResponse,
  wait: number
): Effect.Effect<HttpClientResponse.HttpClientResponse> =>
  Effect.map(Clock.currentTimeMillis, (headersAt) => {
    const chunks: Array<Chunk> = []
    let last = headersAt
    const { status } = response
    const headers = headersOf(response.headers)
    // until the body ends, the client counts as having aborted
    const end = (ending: Response["ending"], at: number) => {
      exchange.response = { _tag: "Response", status, headers, wait, chunks, ending, endWait: at - last }
    }
    end("abort", headersAt)
    const note = (take: (at: number) => void) => Effect.map(Clock.currentTimeMillis, take)
    const body = response.stream.pipe(
      Stream.tap((bytes) =>
        note((at) => {
          // copy, because the client may reuse the memory
          chunks.push({ wait: at - last, bytes: bytes.slice() })
          last = at
        })
      ),
      Stream.tapError(() => note((at) => end("reset", at))),
      Stream.onEnd(note((at) => end("end", at)))
    )
    return new Http.StreamResponse(response.request, status, response.headers, body)
  })

const record =
  (exchanges: Array<Growing>) =>
  (client: HttpClient.HttpClient): HttpClient.HttpClient =>
    client.pipe(
      HttpClient.mapRequest(uncompressed),
      HttpClient.mapRequestEffect(withBytes),
      HttpClient.transform((effect, request) =>
        Effect.gen(function* () {
          const start = yield* Clock.currentTimeMillis
          const elapsed = Effect.map(Clock.currentTimeMillis, (now) => now - start)
          const exchange: Growing = {
            // read lazily, because credentials may be added just before sending
            get request() {
              const { body, headers, method } = request
              return { method, url: urlOf(request), headers: headersOf(headers), body: Http.bytesOf(body) }
            },
            response: noResponse("abort", 0)
          }
          exchanges.push(exchange)
          const fail = (reason: NoResponse["reason"]) =>
            Effect.map(elapsed, (wait) => {
              exchange.response = noResponse(reason, wait)
            })
          return yield* effect.pipe(
            Effect.tapError((error) => fail(reasonOf(error))),
            Effect.onInterrupt(() => fail("abort")),
            Effect.flatMap((response) => Effect.flatMap(elapsed, (wait) => recordResponse(exchange, response, wait)))
          )
        })
      )
    )

/** Removes headers that do not apply to a body the client has already decoded. */
const asRead = ({ request, response }: Exchange): Exchange => {
  const exchange = { request, response }
  if (response._tag !== "Response") return exchange
  const { "content-encoding": encoding, "content-length": _length, ...headers } = response.headers
  const body = concat(response.chunks.map(({ bytes }) => bytes))
  return encoding === undefined || Leaks.compression(body, response.headers) !== undefined
    ? exchange
    : { ...exchange, response: { ...response, headers } }
}

const compressedBody = (exchanges: ReadonlyArray<Exchange>): string | undefined => {
  for (const [n, { request, response }] of exchanges.entries()) {
    const sent = Leaks.compression(request.body, request.headers)
    if (sent !== undefined) {
      return `The body of request ${n + 1} is compressed (${sent}). Turn the client's compression off to record it.`
    }
    if (response._tag !== "Response") continue
    const received = Leaks.compression(concat(response.chunks.map(({ bytes }) => bytes)), response.headers)
    if (received !== undefined) {
      return `The body of response ${n + 1} is compressed (${received}), although the request did not accept that.`
    }
  }
  return undefined
}

/**
 * Creates a recording client and its recording. Nothing is written before `save`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  file: string,
  options: Options = {}
): Effect.Effect<
  { readonly client: HttpClient.HttpClient; readonly recorder: Recorder.Service },
  never,
  HttpClient.HttpClient | FileSystem.FileSystem
> =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const fs = yield* FileSystem.FileSystem
    const exchanges: Array<Growing> = []
    const secrets = (options.secrets ?? []).map(Redacted.value)
    const scrubbed = Effect.sync(() => Scrub.scrub(exchanges.map(asRead), secrets))

    const save = Effect.gen(function* () {
      const opaque = compressedBody(exchanges)
      if (opaque !== undefined) return yield* new RecorderError({ reason: "compressed", file, detail: opaque })
      const result = yield* scrubbed
      const text = yield* Cassette.encode({ exchanges: result.exchanges })
      const leak = Leaks.find(result.exchanges, text, result.table)
      if (leak !== undefined) {
        const detail = `There is still ${leak.what} in ${leak.where}. Add it to \`secrets\`, or record without it.`
        return yield* new RecorderError({ reason: "secret", file, detail })
      }
      const temporary = `${file}.new`
      yield* fs.writeFileString(temporary, text)
      yield* fs.rename(temporary, file)
    })
    return {
      client: record(exchanges)(client),
      recorder: { cassette: Effect.map(scrubbed, ({ exchanges }) => ({ exchanges })), save }
    }
  })

/**
 * Wraps the `HttpClient` and records it to a file, which is written when the Layer ends. An existing file is replaced.
 *
 * The cassette contains every exchange with its chunks and their times. Secrets are replaced by deterministic
 * placeholders. If a recording still contains a secret, it is not written, and the scope dies with the `RecorderError`.
 * Call `save` to receive it as an error.
 *
 * @example
 * ```ts
 * import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
 * import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
 * import * as Recorder from "@effect-codex/testing/Recorder"
 * import * as Layer from "effect/Layer"
 *
 * const RecordedClient = Recorder.layer("test/cassettes/hello.cassette").pipe(
 *   Layer.provide([FetchHttpClient.layer, NodeFileSystem.layer])
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  file: string,
  options?: Options
): Layer.Layer<HttpClient.HttpClient | Recorder, never, HttpClient.HttpClient | FileSystem.FileSystem> =>
  Layer.scopedContext(
    Effect.gen(function* () {
      const { client, recorder } = yield* make(file, options)
      // a scope has no error channel, and a lost recording must be noticed
      yield* Effect.addFinalizer(() => Effect.orDie(recorder.save))
      return Context.make(HttpClient.HttpClient, client).pipe(Context.add(Recorder, recorder))
    })
  )
