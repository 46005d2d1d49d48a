/**
 * Conversations at rest: as JSON, and in a `KeyValueStore`.
 *
 * @since 0.1.0
 */
import type { PlatformError } from "@effect/platform/Error"
import type * as KeyValueStore from "@effect/platform/KeyValueStore"
import { Failure, Turn } from "@effect-codex/schema"
import { ConversationId } from "@effect-codex/transport"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"

/**
 * A conversation at rest. Settings and tools are not part of it: they are code.
 *
 * Keep it as text, in the order it was written in: the next request begins with the same bytes then, and the server finds
 * what it has cached. A store that sorts the keys of objects, such as PostgreSQL's `jsonb`, loses that.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Snapshot = Schema.Struct({
  version: Schema.Literal(1),
  id: ConversationId.ConversationId,
  instructions: Schema.String,
  items: Schema.Array(Turn.OutputItem)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Snapshot extends Schema.Schema.Type<typeof Snapshot> {}

/**
 * The text is not a conversation that this version can take up.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidSnapshot extends Failure.Class<InvalidSnapshot>("effect-codex/InvalidSnapshot")("InvalidSnapshot", {
  version: Schema.optionalWith(Schema.Unknown, { exact: true }),
  problem: Schema.String
}) {
  override get message(): string {
    return this.version !== undefined && this.version !== 1
      ? `The conversation was saved as version ${nameOf(this.version)}; this library reads version 1. Use the version that wrote it.`
      : `The conversation cannot be read: ${this.problem}`
  }
}

/**
 * A conversation could not be loaded or saved. With the reason `conflict` another writer has saved the conversation since it
 * was loaded: load it again and repeat what is missing. With `unavailable` the store failed; `cause` says how, and the next
 * save tries again.
 *
 * @since 0.1.0
 * @category errors
 */
export class StoreFailed extends Failure.Class<StoreFailed>("effect-codex/StoreFailed")("StoreFailed", {
  id: Schema.String,
  operation: Schema.Literal("load", "save"),
  reason: Schema.Literal("conflict", "unavailable"),
  cause: Schema.optionalWith(Schema.Defect, { exact: true })
}) {
  override get message(): string {
    return this.reason === "conflict"
      ? `The conversation ${this.id} was not saved, because another writer was faster: load it again and go on from there.`
      : `The store could not ${this.operation} the conversation ${this.id}.`
  }
}

/** Enough to find the place by; what stands there may be a whole conversation. */
const maxProblemLength = 500

const maxVersionLength = 40

const nameOf = (version: unknown): string =>
  typeof version === "string" || typeof version === "number"
    ? JSON.stringify(version).slice(0, maxVersionLength)
    : "of another kind"

/** The formatter recurses into the value. */
const problemOf = (error: ParseError): string => {
  try {
    return error.message.split("\n").slice(0, 3).join(" ").slice(0, maxProblemLength)
  } catch {
    return "a value in it is nested too deeply"
  }
}

/**
 * A snapshot as JSON text.
 *
 * @since 0.1.0
 * @category combinators
 */
export const toJson = (snapshot: Snapshot): string => JSON.stringify(snapshot)

/**
 * The snapshot in a JSON text.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromJson = (json: string): Effect.Effect<Snapshot, InvalidSnapshot> =>
  Effect.suspend(() =>
    Either.flatMap(parse(json), (value) =>
      Either.mapLeft(decode(value), (error) => {
        const version = (value as { readonly version?: unknown } | null)?.version
        return new InvalidSnapshot({
          ...(version !== undefined && { version }),
          problem: problemOf(error)
        })
      })
    )
  )

const decode = Schema.decodeUnknownEither(Snapshot)

const parse = (json: string): Either.Either<unknown, InvalidSnapshot> =>
  Either.try({ try: () => JSON.parse(json), catch: () => new InvalidSnapshot({ problem: "it is not JSON" }) })

/**
 * A conversation in a store, and how often it was saved there.
 *
 * @since 0.1.0
 * @category models
 */
export interface Saved {
  readonly snapshot: Snapshot
  readonly revision: number
}

/**
 * The places of a conversation in a store: two keys that are written in turn, with a growing revision. A write that is cut
 * off spoils the older place only, so that what was saved before is still there.
 */
const placeOf = (id: string, revision: number): string => `${id}.${revision % 2}`

/**
 * The revision stands first, so that it can be read without the rest. One that cannot grow, which no save has written,
 * counts as none: the next save would not be newer.
 */
const revisionOf = (text: string): number | undefined => {
  const revision = Number(/^\{"revision":(\d+),/.exec(text)?.[1])
  return Number.isSafeInteger(revision + 1) ? revision : undefined
}

/**
 * The conversation of this id in the store, if there is one.
 *
 * @since 0.1.0
 * @category combinators
 */
export const load = (
  store: KeyValueStore.KeyValueStore,
  id: string
): Effect.Effect<Option.Option<Saved>, StoreFailed | InvalidSnapshot> =>
  Effect.gen(function* () {
    const texts = yield* Effect.forEach([0, 1], (place) => store.get(placeOf(id, place))).pipe(
      Effect.mapError((cause) => new StoreFailed({ id, operation: "load", reason: "unavailable", cause }))
    )
    const found = yield* Effect.forEach(texts.flatMap(Option.toArray), (text) =>
      Effect.either(Effect.map(fromJson(text), (snapshot): Saved => ({ snapshot, revision: revisionOf(text) ?? 0 })))
    )
    const saved = found.flatMap((one) => (Either.isRight(one) ? [one.right] : []))
    const newest = saved.sort((a, b) => b.revision - a.revision)[0]
    if (newest !== undefined) return Option.some(newest)
    const unread = found.find(Either.isLeft)
    return unread === undefined ? Option.none() : yield* Effect.fail(unread.left)
  })

/** Who saved it, where the text says so. */
const writerOf = (text: string): string | undefined => /^\{"revision":\d+,"writer":"([^"]+)",/.exec(text)?.[1]

/**
 * Saves the conversation after this revision, and gives the new one. It fails with `conflict` when the store has a newer
 * one. The store decides how sure that is: two writers at the very same moment can both believe they were first.
 *
 * A save that failed, or was interrupted, can have reached the store all the same. A `writer`, an id of letters, digits and
 * `-` that nobody else uses, is stored with the conversation, so that what it wrote itself is no conflict.
 *
 * @since 0.1.0
 * @category combinators
 */
export const save = (
  store: KeyValueStore.KeyValueStore,
  snapshot: Snapshot,
  after: number,
  writer?: string
): Effect.Effect<number, StoreFailed> =>
  Effect.gen(function* (): Effect.fn.Return<number, StoreFailed | PlatformError> {
    const { id } = snapshot
    const revision = after + 1
    const key = placeOf(id, revision)
    const present = Option.getOrElse(yield* store.get(key), () => "")
    // a newer revision that cannot be read is a write that was cut off
    const found = revisionOf(present) ?? 0
    if (found > after && Either.isRight(parse(present))) {
      if (writer !== undefined && writerOf(present) === writer) return yield* save(store, snapshot, found, writer)
      return yield* new StoreFailed({ id, operation: "save", reason: "conflict" })
    }
    yield* store.set(key, JSON.stringify({ revision, ...(writer !== undefined && { writer }), ...snapshot }))
    return revision
  }).pipe(
    Effect.mapError((cause) =>
      cause._tag === "StoreFailed"
        ? cause
        : new StoreFailed({ id: snapshot.id, operation: "save", reason: "unavailable", cause })
    )
  )
