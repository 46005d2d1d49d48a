/**
 * The id of a conversation. It is sent as `session-id`, `thread-id`, `x-client-request-id` and as the body's
 * `prompt_cache_key`, so that the conversation uses its cached prompt.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Schema from "effect/Schema"

const pattern = /^[\x21-\x7e]{1,64}$/

/**
 * 1 to 64 visible ASCII characters, which are valid in both headers and `prompt_cache_key` (protocol B.3).
 *
 * @since 0.1.0
 * @category schemas
 */
export const ConversationId = Schema.String.pipe(
  Schema.pattern(pattern, {
    message: () => "A conversation id is 1 to 64 visible ASCII characters, such as a UUID."
  }),
  Schema.brand("@effect-codex/transport/ConversationId")
)

/**
 * @since 0.1.0
 * @category models
 */
export type ConversationId = typeof ConversationId.Type

/**
 * Whether a value is a valid conversation id.
 *
 * @since 0.1.0
 * @category guards
 */
export const isConversationId = (u: unknown): u is ConversationId => typeof u === "string" && pattern.test(u)

/**
 * A new id: a random UUID. Use it for the whole conversation.
 *
 * @since 0.1.0
 * @category constructors
 */
export const random: Effect.Effect<ConversationId> = Effect.sync(() => {
  // `Random` is not used: its 32-bit seed is too small for unique ids across processes
  const { crypto } = globalThis
  // browsers provide it only in secure contexts
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID() as ConversationId
  const hex = Encoding.encodeHex(crypto.getRandomValues(new Uint8Array(16)))
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 3) | 8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}` as ConversationId
})
