/**
 * Requests and responses of the platform's `HttpClient`, from the backend's side.
 */
import * as Cookies from "@effect/platform/Cookies"
import type * as Headers from "@effect/platform/Headers"
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { concat } from "./bytes.ts"

const collect = <E>(stream: Stream.Stream<Uint8Array, E>): Effect.Effect<Uint8Array<ArrayBuffer>, E> =>
  Effect.suspend(() => {
    const all: Array<Uint8Array> = []
    return Effect.map(
      Stream.runForEach(stream, (bytes) => Effect.sync(() => all.push(bytes))),
      () => concat(all)
    )
  })

/** A response over a stream of its bytes. */
export class StreamResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly remoteAddress = Option.none<string>()
  private consumed = false

  constructor(
    readonly request: HttpClientRequest.HttpClientRequest,
    readonly status: number,
    readonly headers: Headers.Headers,
    private readonly body: Stream.Stream<Uint8Array, unknown>
  ) {
    super()
  }

  get cookies(): Cookies.Cookies {
    return Cookies.fromSetCookie(this.headers["set-cookie"] ?? [])
  }

  private readonly decodeError = (cause: unknown) =>
    cause instanceof HttpClientError.ResponseError
      ? cause
      : new HttpClientError.ResponseError({ request: this.request, response: this, reason: "Decode", cause })

  /** As with a real connection, the body can be read only once. */
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
      _id: "@effect-codex/testing/StreamResponse",
      request: this.request.toJSON(),
      status: this.status
    })
  }
}

/** The bytes of a body in memory. Empty for a streamed body. */
export const bytesOf = (body: HttpBody.HttpBody): Uint8Array => {
  switch (body._tag) {
    case "Uint8Array":
      return body.body
    case "Raw":
      return body.body instanceof Uint8Array
        ? body.body
        : new TextEncoder().encode(typeof body.body === "string" ? body.body : "")
    default:
      return new Uint8Array(0)
  }
}

/** The bytes of any body. */
export const requestBytes = (
  request: HttpClientRequest.HttpClientRequest
): Effect.Effect<Uint8Array, HttpClientError.RequestError> => {
  const { body } = request
  return body._tag === "Stream"
    ? Effect.mapError(
        collect(Stream.mapError(body.stream, (cause) => ({ cause }))),
        ({ cause }) => new HttpClientError.RequestError({ request, reason: "Encode", cause })
      )
    : Effect.succeed(bytesOf(body))
}
