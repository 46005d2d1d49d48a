/**
 * Tracks where encrypted content came from. The server can read encrypted reasoning and compactions only for the
 * account they were created for; replayed under another login, they make it refuse the request (protocol C.5).
 *
 * A conversation that may continue under another login tags its items:
 *
 * 1. After each turn, store `Origin.tag(turn.items, turn.origin)`. The tag is an extra key of the item,
 *    `"effect-codex"`; it survives JSON and holds a fingerprint of the account, not its id.
 * 2. Before each request, compile with the `account` of the login (`History.compile`, `TurnRequest.compile`): encrypted
 *    content from another account is omitted and reported. Tags stay in the compiled items; `ResponsesRequest.toJson`
 *    strips them, so they are never sent.
 * 3. If the server still refuses encrypted content, `History.withoutReasoning(items, origin)` removes the reasoning
 *    that is not known to come from this account and model, and `History.withoutReasoning(items)` removes all of it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type * as Item from "./Item.ts"
import { fingerprint } from "./internal/fingerprint.ts"

/**
 * The account id of a login and the requested model.
 *
 * @since 0.1.0
 * @category models
 */
export interface Origin {
  readonly account: string
  readonly model: string
}

/**
 * The stored form of an origin: with a fingerprint of the account instead of its id.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Tag = Schema.Struct({
  account: Schema.String.pipe(Schema.brand("AccountFingerprint")),
  model: Schema.String
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Tag extends Schema.Schema.Type<typeof Tag> {}

/**
 * @since 0.1.0
 * @category constructors
 */
export const toTag = ({ account, model }: Origin): Tag => ({ account: fingerprint(account) as Tag["account"], model })

const key = "effect-codex"

const encryptedTypes: ReadonlySet<string> = new Set([
  "reasoning",
  "compaction",
  "compaction_summary",
  "context_compaction"
])

/**
 * Tags each item that has encrypted content. Existing tags are kept.
 *
 * @since 0.1.0
 * @category combinators
 */
export const tag = (items: ReadonlyArray<Item.Item>, tag: Tag): ReadonlyArray<Item.Item> =>
  items.map((item) =>
    encryptedTypes.has(item.type) && !(key in item) ? Object.assign({}, item, { [key]: tag }) : item
  )

/**
 * Whether any entry has a tag. If so, compiling depends on the account.
 *
 * @since 0.1.0
 * @category guards
 */
export const isTagged = (entries: ReadonlyArray<object>): boolean => entries.some((entry) => key in entry)

/**
 * The item without its tag, as it is sent.
 *
 * @since 0.1.0
 * @category combinators
 */
export const untag = (item: Item.Item): Item.Item => {
  if (!(key in item)) return item
  const { [key]: _, ...rest } = item
  return rest as Item.Item
}

const read = (item: Item.Item): { readonly account?: unknown; readonly model?: unknown } => {
  const value = (item as { readonly [key]?: unknown })[key]
  return typeof value === "object" && value !== null ? value : {}
}

/**
 * Whether the item is known to come from another account. An item without a tag is not.
 *
 * @since 0.1.0
 * @category guards
 */
export const isForeign = (item: Item.Item, account: string): boolean => {
  const from = read(item).account
  return typeof from === "string" && from !== fingerprint(account)
}

/**
 * Whether the item is known to come from this account and model. An item without a tag is not.
 *
 * @since 0.1.0
 * @category guards
 */
export const isFrom = (item: Item.Item, origin: Origin): boolean => {
  const { account, model } = read(item)
  return account === fingerprint(origin.account) && model === origin.model
}
