/**
 * A model in the catalogue, and the request parameters derived from its entry (protocol G).
 *
 * Any string is accepted as a model name: the catalogue changes every month, and its entries are only hints.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Wire from "./internal/wire.ts"
import * as ResponsesRequest from "./ResponsesRequest.ts"

/**
 * A reasoning effort that a model supports.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ReasoningLevel = Wire.object({
  effort: ResponsesRequest.Effort,
  description: Wire.nullish(Schema.String)
})

/**
 * A service tier that a model supports; `id` is the wire value, `name` the display name.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Tier = Wire.object({
  id: Schema.String,
  name: Wire.nullish(Schema.String),
  description: Wire.nullish(Schema.String)
})

/**
 * A catalogue entry as the server sends it, with all keys kept (G.1). Only `slug`, the model's name in requests, is
 * required. `context_window` is in tokens, `priority` sorts ascending, `visibility: "hide"` means callable but not
 * listed.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Model = Wire.object({
  slug: Schema.String,
  display_name: Wire.nullish(Schema.String),
  description: Wire.nullish(Schema.String),
  visibility: Wire.nullish(Wire.open("list", "hide", "none")),
  supported_in_api: Wire.nullish(Schema.Boolean),
  priority: Wire.nullish(Schema.Number),
  supported_reasoning_levels: Wire.nullish(Schema.Array(ReasoningLevel)),
  default_reasoning_level: Wire.nullish(ResponsesRequest.Effort),
  default_reasoning_summary: Wire.nullish(Wire.open("auto", "concise", "detailed", "none")),
  supports_reasoning_effort_updates: Wire.nullish(Schema.Boolean),
  support_verbosity: Wire.nullish(Schema.Boolean),
  default_verbosity: Wire.nullish(ResponsesRequest.Verbosity),
  context_window: Wire.nullish(Schema.Number),
  max_context_window: Wire.nullish(Schema.Number),
  effective_context_window_percent: Wire.nullish(Schema.Number),
  auto_compact_token_limit: Wire.nullish(Schema.Number),
  comp_hash: Wire.nullish(Schema.String),
  truncation_policy: Wire.nullish(Wire.object({ mode: Wire.open("bytes", "tokens"), limit: Schema.Number })),
  input_modalities: Wire.nullish(Schema.Array(Wire.open("text", "image"))),
  supports_image_detail_original: Wire.nullish(Schema.Boolean),
  service_tiers: Wire.nullish(Schema.Array(Tier)),
  default_service_tier: Wire.nullish(Schema.String),
  use_responses_lite: Wire.nullish(Schema.Boolean),
  available_in_plans: Wire.nullish(Schema.Array(Schema.String))
})

/**
 * @since 0.1.0
 * @category models
 */
export type Model = typeof Model.Type

/**
 * The number of tokens at which a conversation should be compacted. `undefined` if the model's context window is
 * unknown.
 *
 * @since 0.1.0
 * @category combinators
 */
export const compactionLimit = (model: Model): number | undefined => {
  if (typeof model.auto_compact_token_limit === "number") return model.auto_compact_token_limit
  const window = model.context_window
  return typeof window === "number"
    ? Math.floor((window * (model.effective_context_window_percent ?? 95)) / 100)
    : undefined
}

/** In ascending order. */
const ranks: ReadonlyArray<string> = ["none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra"]

/**
 * Efforts of models that are missing from the catalogue, by name; the first match wins. Efforts above `high` are listed
 * only if known to work. Models with `none` here accept it although the catalogue never lists it.
 */
const knownEfforts: ReadonlyArray<{
  readonly matches: (slug: string) => boolean
  readonly efforts: ReadonlyArray<string>
}> = [
  { matches: (slug) => slug === "gpt-5.1-codex-mini", efforts: ["medium", "high"] },
  { matches: (slug) => slug === "gpt-5.1-codex-max", efforts: ["low", "medium", "high", "xhigh"] },
  { matches: (slug) => /^gpt-5\.[23]-codex$/.test(slug), efforts: ["low", "medium", "high", "xhigh"] },
  { matches: (slug) => slug.startsWith("gpt-5.5"), efforts: ["none", "low", "medium", "high", "xhigh"] },
  { matches: (slug) => slug.startsWith("gpt-5.2"), efforts: ["none", "low", "medium", "high"] },
  { matches: (slug) => slug.startsWith("gpt-5.3"), efforts: ["low", "medium", "high"] }
]

/** The efforts assumed for an unknown model. */
const defaultEfforts: ReadonlyArray<string> = ["none", "minimal", "low", "medium", "high"]

/**
 * Maps the requested effort to one the model supports: the same effort if supported, otherwise the nearest lower one,
 * or else the lowest. Pass the catalogue entry of exactly this model, or only its name.
 *
 * `ultra` is a client-side name for the highest supported effort and is never sent. An effort unknown to this library
 * is sent unchanged.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Model } from "@effect-codex/schema"
 *
 * Model.resolveEffort("gpt-5.1-codex-mini", "low") // "medium"
 * Model.resolveEffort({ slug: "gpt-9", supported_reasoning_levels: [{ effort: "max" }] }, "ultra") // "max"
 * ```
 */
export const resolveEffort = (model: Model | string, requested: ResponsesRequest.Effort): ResponsesRequest.Effort => {
  const slug = typeof model === "string" ? model : model.slug
  const known = knownEfforts.find(({ matches }) => matches(slug))?.efforts
  const listed = typeof model === "string" ? [] : (model.supported_reasoning_levels ?? []).map(({ effort }) => effort)
  const efforts =
    listed.length === 0 ? (known ?? defaultEfforts) : [...listed, ...(known?.includes("none") === true ? ["none"] : [])]
  const rank = ranks.indexOf(requested)
  if (rank === -1 || (requested !== "ultra" && efforts.includes(requested))) return requested
  const others = efforts
    .filter((effort) => effort !== "ultra" && effort !== "none" && ranks.includes(effort))
    .sort((a, b) => ranks.indexOf(a) - ranks.indexOf(b))
  return others.filter((effort) => ranks.indexOf(effort) <= rank).at(-1) ?? others[0] ?? requested
}
