/**
 * Stores conversations, as JSON or in a `KeyValueStore`.
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
 * The stored form of a conversation. It does not contain settings and tools, because they are code.
 *
 * Store it as text and keep the order of the keys. Then the next request starts with the same bytes, and the server can
 * use its prompt cache. A store that sorts object keys, such as PostgreSQL's `jsonb`, loses the cache.
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
 * The text is not a conversation that this version can read.
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
      ? `The conversation was saved as version ${versionName(this.version)}; this library reads version 1. Use the version that wrote it.`
      : `The conversation cannot be read: ${this.problem}`
  }
}

/**
 * A conversation could not be loaded or saved. Reason `conflict`: another writer has saved the conversation since it
 * was loaded. Load it again and repeat what is missing. Reason `unavailable`: the store failed with `cause`. The next
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
      ? `The conversation ${this.id} was not saved, because another writer saved it first. Load it again and continue from there.`
      : `The store could not ${this.operation} the conversation ${this.id}. Check the store, such as the disk and its permissions, and try again${this.operation === "save" ? ": the next save includes everything" : ""}.`
  }
}

/** Limits the message, because the reported value may be a whole conversation. */
const maxProblemLength = 500

const maxVersionLength = 40

const versionName = (version: unknown): string =>
  typeof version === "string" || typeof version === "number"
    ? JSON.stringify(version).slice(0, maxVersionLength)
    : "of an unknown type"

/** The formatter is recursive, so a deeply nested value can overflow the stack. */
const problemOf = (error: ParseError): string => {
  try {
    return error.message.split("\n").slice(0, 3).join(" ").slice(0, maxProblemLength)
  } catch {
    return "a value in it is nested too deeply"
  }
}

/**
 * Encodes a snapshot as JSON.
 *
 * @since 0.1.0
 * @category combinators
 */
export const toJson = (snapshot: Snapshot): string => JSON.stringify(snapshot)

/**
 * Decodes a snapshot from JSON.
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
 * A stored conversation, and how often it was saved.
 *
 * @since 0.1.0
 * @category models
 */
export interface Saved {
  readonly snapshot: Snapshot
  readonly revision: number
}

/**
 * Saves alternate between two keys, with an increasing revision. An incomplete write damages only the older key, so
 * that the previous save survives.
 */
const keyOf = (id: string, revision: number): string => `${id}.${revision % 2}`

/**
 * The revision comes first, so that it can be read without parsing the rest. A revision that cannot be incremented is
 * ignored: no save has written it, and the next save would not be newer.
 */
const revisionOf = (text: string): number | undefined => {
  const revision = Number(/^\{"revision":(\d+),/.exec(text)?.[1])
  return Number.isSafeInteger(revision + 1) ? revision : undefined
}

/** Whether the first save was interrupted while it was written, so that nothing has been stored yet. */
const isUnfinishedFirst = ([second, first]: readonly [Option.Option<string>, Option.Option<string>]): boolean =>
  Option.isNone(second) &&
  Option.exists(
    first,
    (text) => (revisionOf(text) === 1 || '{"revision":1,'.startsWith(text)) && Either.isLeft(parse(text))
  )

/**
 * Loads the conversation with this id, if the store has one.
 *
 * @since 0.1.0
 * @category combinators
 */
export const load = (
  store: KeyValueStore.KeyValueStore,
  id: string
): Effect.Effect<Option.Option<Saved>, StoreFailed | InvalidSnapshot> =>
  Effect.gen(function* () {
    const texts = yield* Effect.all([store.get(keyOf(id, 0)), store.get(keyOf(id, 1))]).pipe(
      Effect.mapError((cause) => new StoreFailed({ id, operation: "load", reason: "unavailable", cause }))
    )
    if (isUnfinishedFirst(texts)) return Option.none()
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
 * Saves the conversation and returns the new revision. `after` is the revision it was loaded with. Fails with
 * `conflict` if the store has a newer revision. The check is not atomic: two writers that save at the same moment can
 * both succeed.
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
    const key = keyOf(id, revision)
    const present = Option.getOrElse(yield* store.get(key), () => "")
    // a newer revision that cannot be parsed is an incomplete write
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
