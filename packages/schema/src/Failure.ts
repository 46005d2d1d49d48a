/**
 * The common shape of all errors of this library.
 *
 * Each error is a `Schema.TaggedError` made by {@link Class}. All of them have the same optional fields, so
 * `error.partial` or `error.status` type-checks on any member of any union. Errors are immutable: {@link withFacts}
 * returns a copy with more facts.
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

/** Entries are not validated here: they are compiled before they are sent. */
const entry = Schema.Object as Schema.Schema.Any as Schema.Schema<Entry, object>

/**
 * The optional fields of every error.
 *
 * - `status`: the HTTP status, when the failure is an HTTP response.
 * - `code`, `serverMessage`: the server's error code and message, with secrets redacted.
 * - `requestId`, `cfRay`, `responseId`: the ids to give to support.
 * - `retryAfterMillis`: the delay the server asked for.
 * - `partial`: the output received before the failure, from the last attempt that received any.
 * - `history`: the history of the conversation or tool loop so far, `Redacted` because it can hold encrypted reasoning;
 *   `error.items` is the unwrapped history, to continue from.
 * - `exchange`: the failed exchange, if the configuration enables capture. It holds no secrets; `Redacted` only keeps
 *   logs short.
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
 * What must change before a failed request can succeed, for programs that handle errors without matching on tags:
 *
 * - `request`: the request itself. Change or skip it; other requests can succeed.
 * - `account`: the login, the plan, the settings or the network. Stop: all requests fail until this is fixed or the
 *   plan's limit resets.
 * - `later`: nothing. The same request can succeed if it is retried later.
 *
 * @since 0.1.0
 * @category models
 */
export type Group = "request" | "account" | "later"

/**
 * The common interface of all errors.
 *
 * @since 0.1.0
 * @category models
 */
export interface Failure extends Facts, Error {
  readonly [TypeId]: TypeId
  readonly _tag: string
  /** Whether the same request can succeed if it is retried. */
  readonly isRetryable: boolean
  /** The delay the server asked for, if any. */
  readonly retryAfter: Duration.Duration | undefined
  /** What must change before the request can succeed. */
  readonly group: Group
  /**
   * The history of a conversation or tool loop up to the failure: use it as the `input` of the next request to
   * continue.
   */
  readonly items: ReadonlyArray<Entry> | undefined
}

/**
 * The encoded form of the shared facts.
 *
 * @since 0.1.0
 * @category models
 */
export interface EncodedFacts extends Schema.Struct.Encoded<Fields> {}

/**
 * The fields and getters that every error class inherits.
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

/** Constructor arguments: optional if all fields are optional. */
type Props<A> =
  Partial<A> extends A
    ? [props?: A, options?: Schema.MakeOptions | undefined]
    : [props: A, options?: Schema.MakeOptions | undefined]

/**
 * The type of an error class made by {@link Class}. It names the shared facts instead of computing their type from the
 * schemas for each class, so the union of all errors stays cheap to type-check.
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
 * Makes an error class with the shared facts and its own fields. It is not retryable (`isRetryable` is `false`) unless
 * the class overrides that. `lasting` is the group of a non-retryable error.
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
 * Constructor options that skip validation, for values that are already validated. Validating a long partial turn again
 * would cost more than decoding it did.
 *
 * @since 0.1.0
 * @category constructors
 */
export const trusted = { disableValidation: true } as const

/**
 * Whether a value is an error of this library.
 *
 * @since 0.1.0
 * @category guards
 */
export const isFailure = (u: unknown): u is Failure => Predicate.hasProperty(u, TypeId)

/**
 * A copy of the error, of the same class, with the given facts. `undefined` values are ignored.
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
 * A copy of the error with `scrub` applied to its strings: its own fields and the shared ones, including limits.
 * `exchange` and the rest of `partial` are unchanged.
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

/** Limits contain strings from the server too. */
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
 * Builds an error message: what happened and what to do, the server's message, the ids for support.
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
