/**
 * The one shape of every error of this library.
 *
 * Each error is a `Schema.TaggedError` made by {@link Class}. All of them have the same optional facts, so that
 * `error.partial` or `error.status` type-checks on any member of any union. An error is never changed after it was made:
 * {@link withFacts} makes a copy that says more.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import { FailedExchange } from "./FailedExchange.ts"
import type { Entry } from "./History.ts"
import * as Wire from "./internal/wire.ts"
import * as Turn from "./Turn.ts"

/**
 * @since 0.1.0
 * @category symbols
 */
export const TypeId: unique symbol = Symbol.for("@effect-codex/schema/Failure")

/**
 * @since 0.1.0
 * @category symbols
 */
export type TypeId = typeof TypeId

/** Entries are not checked: they are the caller's and the server's own, and are compiled before they are sent. */
const entry = Schema.Object as Schema.Schema.Any as Schema.Schema<Entry, object>

/**
 * The facts every error may carry.
 *
 * - `status`: the HTTP status, when the failure is an HTTP response.
 * - `code`, `serverMessage`: the server's own code and words, scrubbed of secrets.
 * - `requestId`, `cfRay`, `responseId`: the ids that support asks for.
 * - `retryAfterMillis`: how long the server asked to wait.
 * - `partial`: what had arrived of the turn, by the last attempt that brought anything.
 * - `history`: the history that a conversation or a tool loop had reached, `Redacted` because it can hold encrypted
 *   reasoning; `error.items` is the same to go on from.
 * - `exchange`: the failed exchange, where the configuration captures it. It is `Redacted` only to keep logs short: it
 *   holds no secret.
 *
 * @since 0.1.0
 * @category schemas
 */
export const fields = {
  status: Wire.optional(Schema.Number),
  code: Wire.optional(Schema.String),
  serverMessage: Wire.optional(Schema.String),
  requestId: Wire.optional(Schema.String),
  cfRay: Wire.optional(Schema.String),
  responseId: Wire.optional(Schema.String),
  retryAfterMillis: Wire.optional(Schema.Number),
  partial: Wire.optional(Turn.PartialTurn),
  history: Wire.optional(Schema.Redacted(Schema.Array(entry))),
  exchange: Wire.optional(Schema.Redacted(FailedExchange))
}

type Fields = typeof fields

/**
 * The shared facts as values.
 *
 * @since 0.1.0
 * @category models
 */
export interface Facts extends Schema.Struct.Type<Fields> {}

/**
 * What has to change before a failed request can succeed, for programs that send many and name no tags:
 *
 * - `request`: this request. Others can succeed; change it, or leave it out.
 * - `account`: the login, the plan, the settings or the network. No request succeeds until somebody has seen to it, or until
 *   the plan's limit is reset; stop.
 * - `later`: nothing. The same request can succeed when it is sent again later.
 *
 * @since 0.1.0
 * @category models
 */
export type Group = "request" | "account" | "later"

/**
 * What every error has besides its own fields.
 *
 * @since 0.1.0
 * @category models
 */
export interface Failure extends Facts, Error {
  readonly [TypeId]: TypeId
  readonly _tag: string
  /** Whether the same request can succeed when it is sent again. */
  readonly isRetryable: boolean
  /** How long the server asked to wait, if it did. */
  readonly retryAfter: Duration.Duration | undefined
  /** What has to change before the request can succeed. */
  readonly group: Group
  /** What a conversation or a tool loop had finished before it failed: the `input` of a request that goes on from there. */
  readonly items: ReadonlyArray<Entry> | undefined
}

/**
 * The shared facts as they are written.
 *
 * @since 0.1.0
 * @category models
 */
export interface EncodedFacts extends Schema.Struct.Encoded<Fields> {}

/**
 * What every instance of an error class has besides its own fields.
 *
 * @since 0.1.0
 * @category models
 */
export interface Base extends Facts, Cause.YieldableError {
  readonly [TypeId]: TypeId
  readonly isRetryable: boolean
  readonly group: Group
  readonly retryAfter: Duration.Duration | undefined
  readonly items: ReadonlyArray<Entry> | undefined
}

/** What a constructor takes: nothing where everything is optional. */
type Props<A> =
  Partial<A> extends A
    ? [props?: A, options?: Schema.MakeOptions | undefined]
    : [props: A, options?: Schema.MakeOptions | undefined]

/**
 * The type of an error class made by {@link Class}. The facts are named, not computed from their schemas for each class:
 * that keeps the union of all errors cheap to check.
 *
 * @since 0.1.0
 * @category models
 */
export interface FailureClass<Self, Tag extends string, Own extends Schema.Struct.Fields>
  extends Schema.Schema<
    Self,
    { readonly _tag: Tag } & EncodedFacts & Schema.Struct.Encoded<Own>,
    Schema.Struct.Context<Own>
  > {
  new (...props: Props<Facts & Schema.Struct.Constructor<Own>>): { readonly _tag: Tag } & Base & Schema.Struct.Type<Own>
  readonly _tag: Tag
  readonly ast: SchemaAST.Transformation
  readonly fields: { readonly _tag: Schema.tag<Tag> } & Omit<Fields, keyof Own> & Own
  readonly identifier: string
}

/**
 * An error class with the shared facts and fields of its own. It is final (`isRetryable` is `false`) unless the class
 * overrides that. `lasting` is the group of an error that is not retryable.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Failure } from "@effect-codex/schema"
 * import { Schema } from "effect"
 *
 * class OutOfPaper extends Failure.Class<OutOfPaper>("app/OutOfPaper")("OutOfPaper", { tray: Schema.Number }) {
 *   override get message() {
 *     return Failure.describe(`Tray ${this.tray} is empty; fill it.`, this)
 *   }
 * }
 * ```
 */
export const Class =
  <Self>(identifier: string, lasting: Exclude<Group, "later"> = "request") =>
  <Tag extends string, Own extends Schema.Struct.Fields>(tag: Tag, own: Own): FailureClass<Self, Tag, Own> => {
    class Base extends Schema.TaggedError<Base>(identifier)(tag, { ...fields, ...(own as object) }) {
      get [TypeId](): TypeId {
        return TypeId
      }
      get isRetryable(): boolean {
        return false
      }
      get group(): Group {
        return this.isRetryable ? "later" : lasting
      }
      get retryAfter(): Duration.Duration | undefined {
        return this.retryAfterMillis === undefined ? undefined : Duration.millis(this.retryAfterMillis)
      }
      get items(): ReadonlyArray<Entry> | undefined {
        return this.history === undefined ? undefined : Redacted.value(this.history)
      }
    }
    return Base as never
  }

/**
 * Options for constructing an error from values that are known to fit. Checking a long partial turn again would cost
 * more than the turn.
 *
 * @since 0.1.0
 * @category constructors
 */
export const trusted = { disableValidation: true } as const

/**
 * Tells the errors of this library from any other value.
 *
 * @since 0.1.0
 * @category guards
 */
export const isFailure = (u: unknown): u is Failure => Predicate.hasProperty(u, TypeId)

/**
 * A copy of the error, of the same class, with these facts. Facts that are `undefined` change nothing.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withFacts = <E extends Failure>(failure: E, facts: { readonly [K in keyof E]?: E[K] | undefined }): E => {
  const known = ownFields(failure)
  const news = Object.entries(facts).filter(([key, value]) => value !== undefined && known[key] !== value)
  if (news.length === 0) return failure
  const Self = failure.constructor as new (fields: object, options: typeof trusted) => E
  return new Self({ ...known, ...Object.fromEntries(news) }, trusted)
}

/**
 * A copy of the error whose texts went through `scrub`: its own fields and the shared ones, limits included.
 * What else is in `partial`, and `exchange`, stay as they are.
 *
 * @since 0.1.0
 * @category combinators
 */
export const mapTexts = <E extends Failure>(failure: E, scrub: (text: string) => string): E => {
  const texts = Object.entries(ownFields(failure)).flatMap(
    ([key, value]): ReadonlyArray<readonly [string, unknown]> => {
      if (key === "_tag") return []
      if (typeof value === "string") return [[key, scrub(value)]]
      if (key === "rateLimits") return [[key, mapInner(value, scrub)]]
      if (key !== "partial" || !isRecord(value) || value["rateLimits"] === undefined) return []
      return [[key, { ...value, rateLimits: mapInner(value["rateLimits"], scrub) }]]
    }
  )
  return withFacts<Failure>(failure, Object.fromEntries(texts)) as E
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

/** The texts inside of limits, which are the server's as well. */
const mapInner = (value: unknown, scrub: (text: string) => string): unknown => {
  if (typeof value === "string") return scrub(value)
  if (Array.isArray(value)) return value.map((one) => mapInner(one, scrub))
  if (!isRecord(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, mapInner(inner, scrub)]))
}

const ownFields = (failure: Failure): Readonly<Record<string, unknown>> => {
  const all = failure as unknown as Readonly<Record<string, unknown>>
  const { fields: declared } = failure.constructor as unknown as { readonly fields: Schema.Struct.Fields }
  return Object.fromEntries(Object.keys(declared).flatMap((key) => (all[key] === undefined ? [] : [[key, all[key]]])))
}

/**
 * The message of an error: what happened and what to do, the server's words, the ids for support.
 *
 * @since 0.1.0
 * @category combinators
 */
export const describe = (
  sentence: string,
  { cfRay, code, requestId, serverMessage }: Pick<Facts, "serverMessage" | "code" | "requestId" | "cfRay">
): string => {
  const words = [serverMessage, code].find((text) => text !== undefined && text.trim() !== "")
  const ids = [
    requestId === undefined ? undefined : `request ${requestId}`,
    cfRay === undefined ? undefined : `cf-ray ${cfRay}`
  ].filter((id) => id !== undefined)
  return `${sentence}${words === undefined ? "" : ` The server says: ${words}`}${ids.length === 0 ? "" : ` (${ids.join(", ")})`}`
}
