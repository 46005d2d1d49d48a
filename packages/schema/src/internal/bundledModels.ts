/**
 * The catalogue as clients of version 0.169.0 carry it, without its prompts.
 */
import type { Model } from "../Model.ts"

const efforts = ["low", "medium", "high", "xhigh", "max", "ultra"] as const

const upTo = (highest: (typeof efforts)[number]) =>
  efforts.slice(0, efforts.indexOf(highest) + 1).map((effort) => ({ effort }))

const fast = { id: "priority", name: "Fast", description: "2x speed, increased usage" }

const common = {
  supported_in_api: true,
  default_reasoning_summary: "none",
  support_verbosity: true,
  effective_context_window_percent: 95,
  truncation_policy: { mode: "tokens", limit: 10000 },
  input_modalities: ["text", "image"],
  supports_image_detail_original: true
}

export const bundledModels: ReadonlyArray<Model> = [
  {
    ...common,
    slug: "gpt-6.1-sol",
    display_name: "GPT-6.1-Sol",
    visibility: "list",
    priority: 1,
    supported_reasoning_levels: upTo("ultra"),
    default_reasoning_level: "low",
    supports_reasoning_effort_updates: true,
    default_verbosity: "low",
    context_window: 272000,
    max_context_window: 872000,
    comp_hash: "3000",
    service_tiers: [fast],
    use_responses_lite: true
  },
  {
    ...common,
    slug: "gpt-6-astra",
    display_name: "GPT-6-Astra",
    visibility: "list",
    priority: 2,
    supported_reasoning_levels: upTo("ultra"),
    default_reasoning_level: "low",
    supports_reasoning_effort_updates: true,
    default_verbosity: "low",
    context_window: 272000,
    max_context_window: 872000,
    comp_hash: "3000",
    service_tiers: [fast],
    use_responses_lite: true
  },
  {
    ...common,
    slug: "gpt-6-sol",
    display_name: "GPT-6-Sol",
    visibility: "list",
    priority: 3,
    supported_reasoning_levels: upTo("ultra"),
    default_reasoning_level: "medium",
    supports_reasoning_effort_updates: false,
    default_verbosity: "low",
    context_window: 272000,
    max_context_window: 872000,
    comp_hash: "3000",
    service_tiers: [{ id: "priority", name: "Fast", description: "1.5x speed" }],
    default_service_tier: "priority",
    use_responses_lite: true
  },
  {
    ...common,
    slug: "gpt-6-luna",
    display_name: "GPT-6-Luna",
    visibility: "list",
    priority: 4,
    supported_reasoning_levels: upTo("max"),
    default_reasoning_level: "medium",
    supports_reasoning_effort_updates: false,
    default_verbosity: "low",
    context_window: 272000,
    max_context_window: 872000,
    comp_hash: "3000",
    service_tiers: [{ id: "priority", name: "Fast", description: "1.5x speed" }],
    default_service_tier: "priority",
    use_responses_lite: true
  },
  {
    ...common,
    slug: "gpt-5.6-sol",
    display_name: "GPT-5.6-Sol",
    visibility: "list",
    priority: 5,
    supported_reasoning_levels: upTo("ultra"),
    default_reasoning_level: "low",
    supports_reasoning_effort_updates: false,
    default_verbosity: "low",
    context_window: 272000,
    max_context_window: 872000,
    comp_hash: "3000",
    service_tiers: [{ id: "priority", name: "Fast", description: "1.5x speed, increased usage" }],
    use_responses_lite: true
  },
  {
    ...common,
    slug: "gpt-6.1-terra",
    display_name: "GPT-6.1 Terra",
    visibility: "list",
    priority: 7,
    supported_reasoning_levels: upTo("ultra"),
    default_reasoning_level: "low",
    supports_reasoning_effort_updates: true,
    default_verbosity: "low",
    context_window: 500000,
    max_context_window: 872000,
    comp_hash: "3000",
    service_tiers: [{ id: "priority", name: "Fast", description: "1.5x speed" }],
    use_responses_lite: true
  },
  {
    ...common,
    slug: "gpt-5.6-terra",
    display_name: "GPT-5.6-Terra",
    visibility: "list",
    priority: 8,
    supported_reasoning_levels: upTo("ultra"),
    default_reasoning_level: "medium",
    supports_reasoning_effort_updates: false,
    default_verbosity: "low",
    context_window: 272000,
    max_context_window: 872000,
    comp_hash: "3000",
    service_tiers: [{ id: "priority", name: "Fast", description: "1.5x speed, increased usage" }],
    use_responses_lite: true
  },
  {
    ...common,
    slug: "gpt-5.6-luna",
    display_name: "GPT-5.6-Luna",
    visibility: "list",
    priority: 9,
    supported_reasoning_levels: upTo("max"),
    default_reasoning_level: "medium",
    supports_reasoning_effort_updates: false,
    default_verbosity: "low",
    context_window: 272000,
    max_context_window: 872000,
    comp_hash: "3000",
    service_tiers: [{ id: "priority", name: "Fast", description: "1.5x speed, increased usage" }],
    use_responses_lite: true
  },
  {
    ...common,
    slug: "gpt-daybreak-blue-latest",
    display_name: "Daybreak Blue",
    visibility: "hide",
    priority: 11,
    supported_reasoning_levels: upTo("ultra"),
    default_reasoning_level: "low",
    supports_reasoning_effort_updates: false,
    default_verbosity: "low",
    context_window: 272000,
    max_context_window: 872000,
    comp_hash: "3000",
    service_tiers: [],
    use_responses_lite: true
  },
  {
    ...common,
    slug: "gpt-daybreak-red-latest",
    display_name: "Daybreak Red",
    visibility: "hide",
    priority: 12,
    supported_reasoning_levels: upTo("ultra"),
    default_reasoning_level: "medium",
    supports_reasoning_effort_updates: false,
    default_verbosity: "high",
    context_window: 372000,
    max_context_window: 372000,
    comp_hash: "3000",
    service_tiers: [],
    use_responses_lite: true
  },
  {
    ...common,
    slug: "gpt-5.5",
    display_name: "GPT-5.5",
    visibility: "list",
    priority: 13,
    supported_reasoning_levels: upTo("xhigh"),
    default_reasoning_level: "medium",
    supports_reasoning_effort_updates: false,
    default_verbosity: "low",
    context_window: 272000,
    max_context_window: 272000,
    comp_hash: "2911",
    service_tiers: [{ id: "priority", name: "Fast", description: "1.5x speed, increased usage" }],
    use_responses_lite: false
  },
  {
    ...common,
    slug: "codex-auto-review",
    display_name: "Codex Auto Review",
    visibility: "hide",
    priority: 43,
    supported_reasoning_levels: upTo("max"),
    default_reasoning_level: "medium",
    supports_reasoning_effort_updates: false,
    default_verbosity: "low",
    context_window: 272000,
    max_context_window: 872000,
    comp_hash: "3000",
    service_tiers: [{ id: "priority", name: "Fast", description: "1.5x speed, increased usage" }],
    use_responses_lite: true
  }
]
