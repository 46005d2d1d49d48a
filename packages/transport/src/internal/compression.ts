/** Compressed request bodies (protocol C.13), until the server refuses one. */
import * as Effect from "effect/Effect"
import { minimumBytes, type Service } from "../Compression.ts"
import type { TransportError } from "../TransportError.ts"

const isRefusal = (error: TransportError): boolean =>
  error.status === 415 || (error.status === 400 && /content-?encoding|zstd|compress/i.test(error.serverMessage ?? ""))

/**
 * Compresses bodies above the minimum size. After the server refuses one, that body and all later ones are sent
 * uncompressed.
 */
export const make = ({ zstd }: Service) => {
  let isRefused = false
  return <A>(
    bytes: Uint8Array,
    send: (body: Uint8Array, headers: Readonly<Record<string, string>>) => Effect.Effect<A, TransportError>
  ): Effect.Effect<A, TransportError> => {
    if (zstd === undefined || isRefused || bytes.length < minimumBytes) return send(bytes, {})
    return Effect.catchIf(
      Effect.flatMap(zstd(bytes), (body) => send(body, { "content-encoding": "zstd" })),
      isRefusal,
      () => {
        isRefused = true
        return send(bytes, {})
      }
    )
  }
}
