/**
 * The building blocks of all wire schemas. APIs that differ in Effect 4 are used only here.
 */
import * as Schema from "effect/Schema"
import type { Open } from "../Open.ts"
import { isObject } from "./schemaTree.ts"

/** A key that may be absent (never `undefined`, which JSON cannot represent). */
export const optional = <A, I, R>(schema: Schema.Schema<A, I, R>) => Schema.optionalWith(schema, { exact: true })

/** A key that may be absent or `null`: servers use both for "no value". */
export const nullish = <A, I, R>(schema: Schema.Schema<A, I, R>) => optional(Schema.NullOr(schema))

/** A string documented by its known values; any other string decodes too. */
export const open = <const Known extends ReadonlyArray<string>>(
  ..._known: Known
): Schema.Schema<Open<Known[number]>, string> => Schema.String as Schema.Schema<Open<Known[number]>, string>

/** A string that is none of the given ones. */
export const otherThan = (known: Iterable<string>, message: string) => {
  const names = new Set(known)
  return Schema.String.pipe(Schema.filter((text) => !names.has(text), { message: () => message }))
}

/** Only objects: `Schema.Struct({})` alone decodes every value but `null`. */
export const ofObject = <A>(codec: Schema.Schema<A, unknown>): Schema.Schema<A, unknown> =>
  Schema.compose(Schema.Unknown.pipe(Schema.filter(isObject, { message: () => "Expected an object" })), codec)

/** An object whose keys are data. */
export const record = <A, I, R>(value: Schema.Schema<A, I, R>) => Schema.Record({ key: Schema.String, value })

/** An object whose keys are data and pass a test. */
export const recordOf = (isKey: (key: string) => boolean, message: string) =>
  Schema.Record({ key: Schema.String.pipe(Schema.filter(isKey, { message: () => message })), value: Schema.Unknown })

/**
 * An object with typed keys that keeps all other keys unchanged, and the order of all keys: the server caches bytes.
 */
export const object = <Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.Struct(fields, Schema.Record({ key: otherKey(fields), value: Schema.Unknown })).annotations({
    parseOptions: { propertyOrder: "original" }
  })

/** Any key. Arbitrary keys are never typed ones, whose values would be invalid. */
const otherKey = (fields: Schema.Struct.Fields) =>
  Schema.String.annotations({ arbitrary: () => (fc) => fc.string().filter((key) => !(key in fields)) })

/** Two representations of one value and the total functions between them. */
export const transformed = <A, I, B, J>(
  from: Schema.Schema<A, I>,
  to: Schema.Schema<B, J>,
  between: { readonly decode: (a: A) => J; readonly encode: (j: J) => A }
) => Schema.transform(from, to, { strict: true, ...between })

/** Counts and indexes: non-negative integers, possibly larger than 32 bits. */
export const count = Schema.Number.pipe(Schema.int(), Schema.nonNegative())
