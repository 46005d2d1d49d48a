/** The body of a response under its time limits. */
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Timeouts } from "../CodexConfig.ts"
import { StreamIdle, TimedOut } from "../TransportError.ts"
import * as Connection from "./connection.ts"

export interface Options {
  readonly source: Stream.Stream<Uint8Array, HttpClientError.HttpClientError>
  /** Closing it aborts the request. */
  readonly requestScope: Scope.CloseableScope
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly deadline: number | undefined
  readonly timeouts: Timeouts
  readonly ids: { readonly requestId?: string; readonly cfRay?: string }
  readonly onFirstBytes?: (elapsedMillis: number) => void
}

export type BodyError = ReturnType<typeof Connection.fromClientError>

/**
 * Hands the bytes on and lets one watchdog fiber abort the request when a limit passes. Only time in which bytes are
 * wanted counts: a slow consumer is no silent server.
 */
export const watch = (
  options: Options
): Effect.Effect<
  { readonly stream: Stream.Stream<Uint8Array, BodyError>; readonly progress: () => void },
  never,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const { deadline, ids, requestScope, startedAt, timeouts } = options
    const clock = yield* Effect.clock
    const idle = Duration.toMillis(timeouts.idle)
    const progress = timeouts.progress === undefined ? Number.POSITIVE_INFINITY : Duration.toMillis(timeouts.progress)

    let bytesReceived = 0
    let wantedSince: number | undefined
    let withoutProgress = 0
    let ended = false
    let expired: BodyError | undefined

    const facts = (now: number) => ({ ...ids, bytesReceived, elapsedMillis: now - startedAt })

    const expiry = (now: number): BodyError | number => {
      const waited = wantedSince === undefined ? 0 : now - wantedSince
      if (deadline !== undefined && now >= deadline) {
        return new TimedOut({ ...facts(now), phase: "total", limitMillis: deadline - startedAt })
      }
      if (waited >= idle) return new StreamIdle({ ...facts(now), kind: "bytes", idleMillis: waited })
      if (withoutProgress + waited >= progress) {
        return new StreamIdle({ ...facts(now), kind: "progress", idleMillis: withoutProgress + waited })
      }
      return Math.min(idle - waited, progress - withoutProgress - waited, (deadline ?? Number.POSITIVE_INFINITY) - now)
    }

    const watchdog: Effect.Effect<void> = Effect.suspend(() => {
      if (ended) return Effect.void
      const next = expiry(clock.unsafeCurrentTimeMillis())
      if (typeof next === "number") return Effect.zipRight(Effect.sleep(next), watchdog)
      expired = next
      return Scope.close(requestScope, Exit.void)
    })

    const received = (chunk: Chunk.Chunk<Uint8Array>): Chunk.Chunk<Uint8Array> => {
      const now = clock.unsafeCurrentTimeMillis()
      if (bytesReceived === 0) options.onFirstBytes?.(now - startedAt)
      for (const bytes of chunk) bytesReceived += bytes.length
      if (wantedSince !== undefined) withoutProgress += now - wantedSince
      wantedSince = undefined
      return chunk
    }

    const failed = (error: Option.Option<HttpClientError.HttpClientError>): Option.Option<BodyError> => {
      ended = true
      if (expired !== undefined) return Option.some(expired)
      const now = clock.unsafeCurrentTimeMillis()
      const silentMillis = wantedSince === undefined ? 0 : now - wantedSince
      return Option.map(error, (error) =>
        Connection.fromClientError(error, { ...facts(now), phase: "body", silentMillis })
      )
    }

    yield* Effect.forkIn(watchdog, yield* Effect.scope)

    const stream = Stream.unwrapScoped(
      Effect.map(Stream.toPull(options.source), (pull) =>
        Stream.repeatEffectChunkOption(
          Effect.suspend(() => {
            wantedSince = clock.unsafeCurrentTimeMillis()
            return Effect.mapBoth(pull, { onSuccess: received, onFailure: failed })
          })
        )
      )
    )
    const madeProgress = () => {
      withoutProgress = 0
    }
    return { stream, progress: madeProgress }
  })

/** Takes bytes until there are as many as a bound allows. */
const gather = (limit: number) => {
  const parts: Array<Uint8Array> = []
  let length = 0
  return {
    read: <E>(source: Stream.Stream<Uint8Array, E>): Effect.Effect<void, E> =>
      Stream.runForEachWhile(source, (bytes) =>
        Effect.sync(() => {
          parts.push(bytes.subarray(0, limit - length))
          length += bytes.length
          return length < limit
        })
      ),
    isFull: () => length >= limit,
    text: () => {
      const decoder = new TextDecoder()
      return parts.map((part) => decoder.decode(part, { stream: true })).join("")
    }
  }
}

/** The text of a body, unless it is longer than the limit allows. */
export const readWhole = <E>(
  source: Stream.Stream<Uint8Array, E>,
  limit: number
): Effect.Effect<string | undefined, E> =>
  Effect.suspend(() => {
    const gathered = gather(limit)
    return Effect.map(gathered.read(source), () => (gathered.isFull() ? undefined : gathered.text()))
  })

/** As much of a body as the bounds allow; what arrives later, or never, is left. */
export const readSome = (
  source: Stream.Stream<Uint8Array, HttpClientError.HttpClientError>,
  limits: { readonly bytes: number; readonly duration: Duration.DurationInput }
): Effect.Effect<string> =>
  Effect.suspend(() => {
    const gathered = gather(limits.bytes)
    return gathered.read(source).pipe(Effect.timeout(limits.duration), Effect.ignore, Effect.map(gathered.text))
  })
