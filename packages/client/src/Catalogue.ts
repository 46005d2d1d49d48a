/**
 * Which models the account has, and what each of them can do.
 *
 * @since 0.1.0
 */
import { type Model, ModelCatalogue } from "@effect-codex/schema"
import type { CodexTransport } from "@effect-codex/transport"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as SynchronizedRef from "effect/SynchronizedRef"

/**
 * The models known now. `source` tells the server's own list from the one this library brings along, which is used
 * while the server's cannot be had.
 *
 * @since 0.1.0
 * @category models
 */
export interface Catalogue {
  readonly models: ReadonlyArray<Model.Model>
  readonly source: "server" | "bundled"
}

/**
 * The catalogue as a client keeps it: fetched when it is asked for, kept for five minutes, fetched anew when a response
 * names another version of it (protocol G.4).
 *
 * @since 0.1.0
 * @category models
 */
export interface CatalogueCache {
  /** The server's list, fetched unless it is fresh; the bundled one if that fails within five seconds. */
  readonly get: Effect.Effect<Catalogue>
  /** What is known without asking anybody. */
  readonly known: Effect.Effect<Catalogue>
  /** Takes note of the `x-models-etag` of a response. */
  readonly sawEtag: (etag: string) => void
}

const timeToLive = Duration.toMillis("5 minutes")
const fetchLimit = Duration.toMillis("5 seconds")

const bundled: Catalogue = { models: ModelCatalogue.bundled, source: "bundled" }

interface State {
  readonly catalogue: Catalogue
  readonly etag: string | undefined
  readonly freshUntil: number
}

/**
 * A cache over the transport's `get`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  transport: CodexTransport.CodexTransport.Service,
  clientVersion: string
): Effect.Effect<CatalogueCache> =>
  Effect.gen(function* () {
    const state = yield* SynchronizedRef.make<State>({ catalogue: bundled, etag: undefined, freshUntil: 0 })
    let seen: string | undefined

    const fetch = (now: number, before: State): Effect.Effect<State> =>
      transport.get("/codex/models", { query: { client_version: clientVersion }, deadline: now + fetchLimit }).pipe(
        Effect.map(({ json, metadata }): State => {
          const { models } = ModelCatalogue.decode(json)
          if (models.length === 0) return { ...before, freshUntil: now + fetchLimit }
          const etag = metadata.etag ?? metadata.modelsEtag
          seen = etag
          return { catalogue: { models, source: "server" }, etag, freshUntil: now + timeToLive }
        }),
        Effect.catchAll((error) =>
          Effect.as(
            Effect.logDebug("The model catalogue could not be fetched.", error._tag),
            // soon enough again, but not with every request
            { ...before, freshUntil: now + fetchLimit }
          )
        )
      )

    const get = SynchronizedRef.updateAndGetEffect(state, (before) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const changed = seen !== undefined && before.etag !== undefined && seen !== before.etag
        if (now < before.freshUntil && !changed) return Effect.succeed(before)
        const confirmed = seen !== undefined && seen === before.etag && before.catalogue.source === "server"
        seen = undefined
        return confirmed ? Effect.succeed({ ...before, freshUntil: now + timeToLive }) : fetch(now, before)
      })
    )
    return {
      get: Effect.map(get, ({ catalogue }) => catalogue),
      known: Effect.map(SynchronizedRef.get(state), ({ catalogue }) => catalogue),
      sawEtag: (etag) => {
        seen = etag
      }
    }
  })
