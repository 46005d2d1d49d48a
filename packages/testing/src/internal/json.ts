/**
 * JSON of unknown shape, looked at with care.
 *
 * @internal
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

export type Json = Readonly<Record<string, unknown>>

export const asObject = (value: unknown): Json | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined

export const asArray = (value: unknown): ReadonlyArray<unknown> | undefined =>
  Array.isArray(value) ? value : undefined

export const asString = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined)

const parse = Schema.decodeUnknownOption(Schema.parseJson())

/** `undefined` for a text that is not JSON. */
export const parseJson = (text: string): unknown => Option.getOrUndefined(parse(text))
