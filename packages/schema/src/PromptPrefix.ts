/**
 * Diagnoses prompt cache misses. The server caches a prompt only up to the first difference from an earlier one.
 *
 * @since 0.1.0
 */
import * as Origin from "./Origin.ts"
import type * as ResponsesRequest from "./ResponsesRequest.ts"
import * as ToolSpec from "./ToolSpec.ts"

/**
 * The first difference between the prefixes of two requests.
 *
 * @since 0.1.0
 * @category models
 */
export interface Difference {
  /** The location: `model`, `prompt_cache_key`, `tools[1]`, `instructions`, `input[4]`, … */
  readonly at: string
  /** The old and the new value, truncated; `undefined` if absent. */
  readonly before: string | undefined
  readonly after: string | undefined
}

const show = (value: unknown): string | undefined => {
  if (value === undefined) return undefined
  const json = JSON.stringify(value)
  return json.length > 80 ? `${json.slice(0, 80)}…` : json
}

const showTool = (tool: ToolSpec.ToolSpec | undefined): string | undefined =>
  tool === undefined ? undefined : `${tool.type} ${ToolSpec.name(tool) ?? ""}`.trim()

/**
 * Compares two requests in cache order: the cache key, the model, the tools, the instructions, the input. Input
 * appended at the end is not a difference.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { PromptPrefix, ResponsesRequest } from "@effect-codex/schema"
 *
 * const tool = (name: string) => ({ type: "function", name, parameters: {} }) as const
 * const request = (...tools: ReadonlyArray<ReturnType<typeof tool>>) =>
 *   ResponsesRequest.make({ model: "gpt-5.5", input: [], tools })
 *
 * PromptPrefix.firstDifference(request(tool("a"), tool("b")), request(tool("b"), tool("a")))
 * // { at: "tools[0]", before: "function a", after: "function b" }
 * ```
 */
export const firstDifference = (
  earlier: ResponsesRequest.ResponsesRequest,
  later: ResponsesRequest.ResponsesRequest
): Difference | undefined => {
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)
  for (const key of ["prompt_cache_key", "model"] as const) {
    if (earlier[key] !== later[key]) return { at: key, before: show(earlier[key]), after: show(later[key]) }
  }
  const before = earlier.tools ?? []
  const after = later.tools ?? []
  for (let n = 0; n < Math.max(before.length, after.length); n++) {
    if (!same(before[n], after[n])) return { at: `tools[${n}]`, before: showTool(before[n]), after: showTool(after[n]) }
  }
  if (earlier.instructions !== later.instructions) {
    return { at: "instructions", before: show(earlier.instructions), after: show(later.instructions) }
  }
  for (const [n, item] of earlier.input.entries()) {
    const next = later.input[n]
    const [before, after] = [Origin.untag(item), next && Origin.untag(next)]
    if (!same(before, after)) return { at: `input[${n}]`, before: show(before), after: show(after) }
  }
  return undefined
}
