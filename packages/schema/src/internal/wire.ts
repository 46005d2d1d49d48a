/**
 * The few shapes every wire schema is built from.
 */
import * as Schema from "effect/Schema"
import type { Open } from "../Open.ts"

/** A key that may be absent (never `undefined`, which JSON cannot say). */
export const optional = <A, I, R>(schema: Schema.Schema<A, I, R>) => Schema.optionalWith(schema, { exact: true })

/** A key that may be absent or `null`, as servers use both for "nothing". */
export const nullish = <A, I, R>(schema: Schema.Schema<A, I, R>) => optional(Schema.NullOr(schema))

/** A string documented by its known values; any other string decodes too. */
export const open = <const Known extends ReadonlyArray<string>>(
  ..._known: Known
): Schema.Schema<Open<Known[number]>, string> => Schema.String as Schema.Schema<Open<Known[number]>, string>

/** An object with typed keys that keeps every other key as it came, and all keys in their order: bytes are cached. */
export const object = <Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.Struct(fields, Schema.Record({ key: Schema.String, value: Schema.Unknown })).annotations({
    parseOptions: { propertyOrder: "original" }
  })

/** Counts and indexes: whole, not negative, beyond 32 bits allowed. */
export const count = Schema.Number.pipe(Schema.int(), Schema.nonNegative())
