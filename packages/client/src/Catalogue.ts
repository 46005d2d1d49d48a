/**
 * The models of the account and their capabilities.
 *
 * @since 0.1.0
 */
import { type Model, ModelCatalogue, Monotonic } from "@effect-codex/schema"
import type { CodexTransport } from "@effect-codex/transport"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as SynchronizedRef from "effect/SynchronizedRef"

/**
 * The current list of models. `source` is `server` for the list the server sent, and `bundled` for the list that ships
 * with this library, which is used while the server's list is unavailable.
 *
 * @since 0.1.0
 * @category models
 */
export interface Catalogue {
  readonly models: ReadonlyArray<Model.Model>
  readonly source: "server" | "bundled"
}

/**
 * A cache of the catalogue. It is fetched on first use, kept for five minutes, and fetched again when a response
 * carries a different version (protocol G.4).
 *
 * @since 0.1.0
 * @category models
 */
export interface CatalogueCache {
  /**
   * The server's list, fetched unless the cached one is fresh. If the fetch does not succeed within five seconds, the
   * previous list (at first the bundled one) is used for the next 30 seconds.
   */
  readonly get: Effect.Effect<Catalogue>
  /** Like `get`, but waits no longer than the deadline (a time of `Monotonic`). */
  readonly within: (deadline: number | undefined) => Effect.Effect<Catalogue>
  /** The cached list. Sends no request. */
  readonly known: Effect.Effect<Catalogue>
  /** Records the `x-models-etag` of a response. */
  readonly sawEtag: (etag: string) => Effect.Effect<void>
}

const timeToLive = Duration.toMillis("5 minutes")
const fetchLimit = Duration.toMillis("5 seconds")
/** The pause after a failed fetch, so that not every call tries again. */
const pause = Duration.toMillis("30 seconds")

const bundled: Catalogue = { models: ModelCatalogue.bundled, source: "bundled" }

/** Times of `Monotonic`; `askedAt` is the time of the last fetch. */
interface State {
  readonly catalogue: Catalogue
  readonly etag: string | undefined
  readonly askedAt: number
  readonly freshUntil: number
}

/**
 * Creates a cache that fetches with the transport's `get`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (transport: CodexTransport.Service, clientVersion: string): Effect.Effect<CatalogueCache> =>
  Effect.gen(function* () {
    const state = yield* SynchronizedRef.make<State>({ catalogue: bundled, etag: undefined, askedAt: 0, freshUntil: 0 })
    let seen: { readonly etag: string; readonly at: number } | undefined

    const fetch = (before: State, askedAt: number): Effect.Effect<State> =>
      transport.get("/codex/models", { query: { client_version: clientVersion }, deadline: askedAt + fetchLimit }).pipe(
        Effect.map(({ json, metadata }): State => {
          const { models } = ModelCatalogue.decode(json)
          if (models.length === 0) return { ...before, askedAt, freshUntil: askedAt + pause }
          const etag = metadata.etag ?? metadata.modelsEtag
          return { catalogue: { models, source: "server" }, etag, askedAt, freshUntil: askedAt + timeToLive }
        }),
        Effect.catchAll((error) =>
          Effect.as(Effect.logDebug("The model catalogue could not be fetched.", error._tag), {
            ...before,
            askedAt,
            freshUntil: askedAt + pause
          })
        )
      )

    /**
     * Applies the last ETag that a response carried: the same ETag makes the list fresh again, a different one makes it
     * stale.
     */
    const afterEtag = (known: State): State => {
      if (seen === undefined || known.etag === undefined || seen.at <= known.askedAt) return known
      return { ...known, freshUntil: seen.etag === known.etag ? seen.at + timeToLive : 0 }
    }

    const update = SynchronizedRef.updateAndGetEffect(state, (before) =>
      Effect.flatMap(Monotonic.now, (now) => {
        const known = afterEtag(before)
        return now < known.freshUntil ? Effect.succeed(known) : fetch(known, now)
      })
    )
    const get = Effect.map(update, ({ catalogue }) => catalogue)
    const known = Effect.map(SynchronizedRef.get(state), ({ catalogue }) => catalogue)
    return {
      get,
      known,
      within: (deadline) =>
        deadline === undefined
          ? get
          : Effect.flatMap(Monotonic.now, (now) =>
              Effect.flatMap(Effect.timeoutOption(get, Math.max(0, deadline - now)), (found) =>
                Option.match(found, { onNone: () => known, onSome: Effect.succeed })
              )
            ),
      sawEtag: (etag) =>
        Effect.map(Monotonic.now, (at) => {
          seen = { etag, at }
        })
    }
  })
