/**
 * The model catalogue: fetched from the server, or the snapshot bundled with this library (protocol G).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { bundledModels } from "./internal/bundledModels.ts"
import * as Model from "./Model.ts"

/**
 * The decoded models, and the problems skipped while decoding: entries without a name, keys of an unexpected type.
 *
 * @since 0.1.0
 * @category models
 */
export interface ModelCatalogue {
  readonly models: ReadonlyArray<Model.Model>
  readonly problems: ReadonlyArray<string>
}

/**
 * Twelve models known in November 2026 (G.2), the fallback if the server's list is not available.
 *
 * @since 0.1.0
 * @category constructors
 */
export const bundled: ReadonlyArray<Model.Model> = bundledModels

/**
 * Decodes the response of `GET /codex/models`. Entries are decoded independently: an invalid key is dropped, an entry
 * without a name is skipped, and the rest is kept. Unknown keys are kept.
 *
 * @since 0.1.0
 * @category constructors
 */
export const decode = (json: unknown): ModelCatalogue => {
  const problems: Array<string> = []
  const entries = isObject(json) ? json["models"] : undefined
  if (!Array.isArray(entries)) return { models: [], problems: ['The catalogue has no list of "models".'] }
  const models = entries.flatMap((entry: unknown, index) => decodeEntry(entry, index, problems))
  return { models, problems }
}

const listOf = <A>(one: A | ReadonlyArray<A>): ReadonlyArray<A> => (Array.isArray(one) ? one : [one as A])

/**
 * The invalid keys; `""` is the whole entry. Effect's issue formatters are not used because they recurse into the
 * values, which can be too deep.
 */
const invalidKeys = (issue: ParseResult.ParseIssue): ReadonlyArray<string> => {
  switch (issue._tag) {
    case "Pointer":
      return [String(listOf(issue.path)[0])]
    case "Composite":
      return listOf(issue.issues).flatMap(invalidKeys)
    case "Refinement":
    case "Transformation":
      return invalidKeys(issue.issue)
    default:
      return [""]
  }
}

const decodeEntry = (entry: unknown, index: number, problems: Array<string>): ReadonlyArray<Model.Model> => {
  const result = decodeModel(entry)
  if (Either.isRight(result)) return [result.right]
  const invalid = new Set(invalidKeys(result.left.issue))
  if (!isObject(entry) || invalid.has("slug") || invalid.has("")) {
    problems.push(`Entry ${index} is left out: it is not an object with a "slug".`)
    return []
  }
  problems.push(...[...invalid].map((key) => `The key "${key}" of entry ${index} has an unexpected type.`))
  const rest = Object.fromEntries(Object.entries(entry).filter(([key]) => !invalid.has(key)))
  return Either.match(decodeModel(rest), { onLeft: () => [], onRight: (model) => [model] })
}

const decodeModel = Schema.decodeUnknownEither(Model.Model, { errors: "all" })

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * The entry with exactly this name.
 *
 * @since 0.1.0
 * @category combinators
 */
export const get = (models: ReadonlyArray<Model.Model>, slug: string): Model.Model | undefined =>
  models.find((model) => model.slug === slug)

/**
 * The best match for a name: the exact entry, else the entry whose name is the longest prefix of it (G.3). `undefined`
 * for an unknown model.
 *
 * @since 0.1.0
 * @category combinators
 */
export const resolve = (models: ReadonlyArray<Model.Model>, slug: string): Model.Model | undefined =>
  models
    .filter((model) => slug.startsWith(model.slug))
    .reduce<Model.Model | undefined>(
      (best, model) => (best === undefined || model.slug.length > best.slug.length ? model : best),
      undefined
    )

/**
 * The models to show to a user, the recommended one first.
 *
 * @since 0.1.0
 * @category combinators
 */
export const listed = (models: ReadonlyArray<Model.Model>): ReadonlyArray<Model.Model> =>
  models
    .filter((model) => model.visibility === "list")
    .sort((a, b) => (a.priority ?? Number.MAX_SAFE_INTEGER) - (b.priority ?? Number.MAX_SAFE_INTEGER))
