/**
 * Finds out why a prompt was not in the server's cache, which reaches only up to the first difference from what the
 * server has seen before.
 *
 * @since 0.1.0
 */
import * as Origin from "./Origin.ts"
import type * as ResponsesRequest from "./ResponsesRequest.ts"
import * as ToolSpec from "./ToolSpec.ts"

/**
 * The first place where a later request does not begin like an earlier one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Difference {
  /** Where: `model`, `prompt_cache_key`, `tools[1]`, `instructions`, `input[4]`, … */
  readonly at: string
  /** What was there and what is there now, shortened; `undefined` for nothing. */
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
 * Compares two requests in the order the cache reads them: the cache key, the model, the tools, the instructions, the
 * input. Input added at the end is not a difference.
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
