/**
 * The origin that serves a workspace (protocol A.4). Required for EU and FedRAMP workspaces; off by default
 * (`workspaceRouting`).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { RoutingFailed } from "./TransportError.ts"

/**
 * `origin` replaces the origin of the base URL; `override` is sent as `x-openai-account-routing-override`. If both are
 * absent, the base URL is used.
 *
 * @since 0.1.0
 * @category models
 */
export interface Route {
  readonly origin?: string
  readonly override?: string
}

/**
 * The endpoint that returns the route.
 *
 * @since 0.1.0
 * @category configuration
 */
export const path = "/wham/accounts/check"

const unconstrained = "NO_CONSTRAINT"
const overrides: ReadonlySet<string> = new Set(["us", "us_cr"])

const optional = Schema.optionalWith(Schema.NullOr(Schema.String), { exact: true })

const Answer = Schema.Struct({
  accounts: Schema.Array(
    Schema.Struct({ id: Schema.String, workspace_backend_origin: optional, account_routing_override: optional })
  )
})

/** The domains to which credentials may be sent. */
const ownDomains = ["chatgpt.com", "openai.com"]

const isAllowed = (text: string, domains: ReadonlyArray<string>): boolean => {
  if (!URL.canParse(text)) return false
  const { hostname, origin, protocol } = new URL(text)
  return (
    protocol === "https:" &&
    (origin === text || `${origin}/` === text) &&
    [...ownDomains, ...domains].some((domain) => hostname === domain || hostname.endsWith(`.${domain}`))
  )
}

/**
 * The route of an account in the response of {@link path}. Its origin must be in one of OpenAI's domains or of
 * `domains`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromAnswer: (
  answer: unknown,
  accountId: string,
  domains?: ReadonlyArray<string>
) => Effect.Effect<Route, RoutingFailed> = Effect.fnUntraced(function* (answer, accountId, domains = []) {
  const { accounts } = yield* Effect.mapError(
    Schema.decodeUnknown(Answer)(answer),
    () => new RoutingFailed({ reason: "answer" })
  )
  const [account, another] = accounts.filter(({ id }) => id === accountId)
  if (account === undefined || another !== undefined) return yield* new RoutingFailed({ reason: "account" })
  const origin = account.workspace_backend_origin ?? unconstrained
  const override = account.account_routing_override ?? unconstrained
  if (origin !== unconstrained && !isAllowed(origin, domains)) return yield* new RoutingFailed({ reason: "origin" })
  if (override !== unconstrained && !overrides.has(override)) return yield* new RoutingFailed({ reason: "override" })
  return {
    ...(origin === unconstrained ? {} : { origin: new URL(origin).origin }),
    ...(override === unconstrained ? {} : { override })
  }
})
