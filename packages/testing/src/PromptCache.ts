/**
 * Simulates a prompt cache: each turn reports the part of the prompt that the session has sent before as
 * `cached_tokens`.
 *
 * @since 0.1.0
 */
import { asObject, asString } from "./internal/json.ts"
import { tokens } from "./internal/turnEvents.ts"
import * as Script from "./Script.ts"

interface Prompt {
  readonly session: string | undefined
  /** The parts the model reads, in order. */
  readonly parts: ReadonlyArray<string>
}

const promptOf = (request: Script.Request): Prompt => {
  const { body, headers, input, instructions = "", model, tools } = request
  const key = asString(asObject(body)?.["prompt_cache_key"])
  return {
    session: key ?? headers["session-id"],
    parts: [model, tools, instructions, ...input].map((part) => JSON.stringify(part) ?? "")
  }
}

const size = (parts: ReadonlyArray<string>): number => parts.reduce((sum, part) => sum + tokens(part), 0)

const commonPrefix = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): ReadonlyArray<string> => {
  const end = a.findIndex((part, index) => part !== b[index])
  return end === -1 ? a : a.slice(0, end)
}

/**
 * The usage of a request: all its tokens, and the cached tokens, which are those of the longest common prefix with an
 * earlier request of the same session. The prefix consists of whole parts: model, tools, instructions, then the items.
 * A token is about four characters of JSON. The session is the `prompt_cache_key`, or the `session-id`. Without either,
 * nothing is cached.
 *
 * @since 0.1.0
 * @category constructors
 */
export const usage = (
  request: Script.Request,
  earlier: ReadonlyArray<Script.Request>
): { readonly inputTokens: number; readonly cachedTokens: number } => {
  const prompt = promptOf(request)
  const cached = earlier
    .map(promptOf)
    .filter((other) => other.session !== undefined && other.session === prompt.session)
  return {
    inputTokens: size(prompt.parts),
    cachedTokens: Math.max(0, ...cached.map((other) => size(commonPrefix(prompt.parts, other.parts))))
  }
}

/**
 * Turns that report the usage of a prompt cache.
 *
 * @example
 * ```ts
 * import * as PromptCache from "@effect-codex/testing/PromptCache"
 *
 * const script = PromptCache.responder((request) => ({ text: `Answer ${request.number}` }))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const responder =
  (answer: (request: Script.Request) => Script.Turn) =>
  (request: Script.Request, earlier: ReadonlyArray<Script.Request>): Script.Step => {
    const turn = answer(request)
    return Script.turn(turn.usage === null ? turn : { ...turn, usage: { ...usage(request, earlier), ...turn.usage } })
  }
