import * as Either from "effect/Either"

/** Reads JSON of other programs: a field of an unexpected type counts as missing, so that the rest stays usable. */
export interface Json {
  readonly [key: string]: unknown
}

export const isJsonObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const parseJson = (text: string): Either.Either<unknown, "json"> =>
  Either.try({ try: (): unknown => JSON.parse(text), catch: () => "json" as const })

export const objectIn = (json: Json, key: string): Json => {
  const value = json[key]
  return isJsonObject(value) ? value : {}
}

/** The trimmed text. `undefined` if it is empty. */
export const textIn = (json: Json, key: string): string | undefined => {
  const value = json[key]
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined
}

/** The number, also if it is encoded as a string. */
export const numberIn = (json: Json, key: string): number | undefined => {
  const value = json[key]
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value
  return typeof number === "number" && Number.isFinite(number) ? number : undefined
}

/** A number of which `JSON.parse` would lose digits, such as a long id, as an object with its text. */
const numeralKey = "\u0000number"

const stringOrNumber = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g
const printedNumeral = /\{\s*"\\u0000number":\s*"(-?\d[\d.eE+-]*)"\s*\}/g

/** Parses a valid JSON object so that `restoreNumerals` can print every number as it was. */
export const parseExactly = (text: string): Json =>
  JSON.parse(
    text.replace(stringOrNumber, (token) =>
      token.startsWith('"') || String(Number(token)) === token ? token : JSON.stringify({ [numeralKey]: token })
    )
  )

/** Puts the numbers that `parseExactly` kept back into printed JSON. */
export const restoreNumerals = (text: string): string => text.replace(printedNumeral, "$1")
