/** Decompresses response bodies that the server compressed without being asked to. */
import * as NodeStreams from "node:stream"
import * as Zlib from "node:zlib"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"

const sync = { flush: Zlib.constants.Z_SYNC_FLUSH }

const decoders = new Map<string, () => NodeStreams.Transform>([
  ["gzip", () => Zlib.createGunzip(sync)],
  ["x-gzip", () => Zlib.createGunzip(sync)],
  ["deflate", () => Zlib.createInflate(sync)],
  ["br", () => Zlib.createBrotliDecompress({ flush: Zlib.constants.BROTLI_OPERATION_FLUSH })]
])

// Types and Node versions before 22.15 do not know zstd.
const zstd = "createZstdDecompress" in Zlib ? Zlib.createZstdDecompress : undefined
if (typeof zstd === "function") decoders.set("zstd", () => zstd() as NodeStreams.Transform)

/** The decoder of a content encoding, if supported. */
export const decoderOf = (encoding: string | undefined): NodeStreams.Transform | undefined =>
  decoders.get(encoding?.trim().toLowerCase() ?? "")?.()

/** Whether a `Response` with this status can have a body: its constructor rejects invalid statuses. */
const hasBody = (status: number) => status >= 200 && status <= 599 && ![204, 205, 304].includes(status)

export const decoded = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<HttpClientResponse.HttpClientResponse> => {
  const decoder = hasBody(response.status) ? decoderOf(response.headers["content-encoding"]) : undefined
  if (decoder === undefined) return Effect.succeed(response)
  return Effect.map(NodeStream.toReadable(response.stream), (encoded) => {
    // The consumer sees the failure on the decoded side; the callback keeps it from being an unhandled event.
    const body = NodeStreams.pipeline(encoded, decoder, () => {})
    const { "content-encoding": _encoding, "content-length": _length, ...headers } = response.headers
    return HttpClientResponse.fromWeb(
      response.request,
      new Response(NodeStreams.Readable.toWeb(body) as ReadableStream<Uint8Array>, { status: response.status, headers })
    )
  })
}
