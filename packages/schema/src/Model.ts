/**
 * A model of the catalogue, and what follows from its entry for a request (protocol G).
 *
 * Any string may be asked for as a model; the catalogue changes every month, and an entry is advice.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Wire from "./internal/wire.ts"
import * as ResponsesRequest from "./ResponsesRequest.ts"

/**
 * A reasoning effort a model has.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ReasoningLevel = Wire.object({
  effort: ResponsesRequest.Effort,
  description: Wire.nullish(Schema.String)
})

/**
 * A service tier a model has; `id` is the wire's value, `name` the one shown.
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
 * A catalogue entry as the server writes it, with every key kept (G.1). Only `slug`, the name to ask for, is sure to be
 * there. `context_window` counts tokens, `priority` sorts ascending, `visibility: "hide"` means callable but not shown.
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
 * How many tokens of the context window a conversation should fill at most; compact it beyond that. `undefined` for a
 * model that states no window.
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

/** From the least to the most. */
const ranks: ReadonlyArray<string> = ["none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra"]

/**
 * Efforts of models by name, for those the catalogue does not list; the first that matches holds. Above `high` only what
 * is known to work is sent. A model with `none` here takes it though the catalogue lists it nowhere.
 */
const earlier: ReadonlyArray<{
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

/** What is sent to a model nothing is known of. */
const uncharted: ReadonlyArray<string> = ["none", "minimal", "low", "medium", "high"]

/**
 * The effort to send for the one asked for: itself where the model has it, otherwise the nearest lower one it has, or
 * its lowest. Pass the catalogue entry of exactly this model, or its name alone.
 *
 * `ultra` is a word of clients for the highest effort there is and is never sent. An effort this library has no rank
 * for is sent as asked.
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
  const known = earlier.find(({ matches }) => matches(slug))?.efforts
  const listed = typeof model === "string" ? [] : (model.supported_reasoning_levels ?? []).map(({ effort }) => effort)
  const efforts =
    listed.length === 0 ? (known ?? uncharted) : [...listed, ...(known?.includes("none") === true ? ["none"] : [])]
  const rank = ranks.indexOf(requested)
  if (rank === -1 || (requested !== "ultra" && efforts.includes(requested))) return requested
  const others = efforts
    .filter((effort) => effort !== "ultra" && effort !== "none" && ranks.includes(effort))
    .sort((a, b) => ranks.indexOf(a) - ranks.indexOf(b))
  return others.filter((effort) => ranks.indexOf(effort) <= rank).at(-1) ?? others[0] ?? requested
}
