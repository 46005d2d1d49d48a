/**
 * The headers of requests to the backend (protocol B), but for cookies (`internal/cookies.ts`), the encoding of a compressed
 * body (`internal/compression.ts`) and what a WebSocket does not carry (`internal/webSocketCarrier.ts`).
 *
 * @since 0.1.0
 */
import * as Credentials from "@effect-codex/auth/Credentials"
import { defined } from "@effect-codex/schema/Defined"
import * as RoutingToken from "@effect-codex/schema/RoutingToken"
import type * as Redacted from "effect/Redacted"
import type * as CodexConfig from "./CodexConfig.ts"

/**
 * What a turn's headers depend on besides configuration and credentials.
 *
 * @since 0.1.0
 * @category models
 */
export interface TurnContext {
  readonly conversationId?: string | undefined
  /** The routing token the turn's first response brought. */
  readonly routingToken?: Redacted.Redacted | undefined
  /** Where the workspace is served from, other than by default (protocol A.4). */
  readonly routingOverride?: string | undefined
}

type Headers = Readonly<Record<string, string>>

const client = (config: CodexConfig.Service): Headers =>
  defined({
    version: config.versionHeader ? config.clientVersion : undefined,
    originator: config.originator,
    "user-agent": config.userAgent
  })

/**
 * The headers of `POST /codex/responses`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const forTurn = (
  config: CodexConfig.Service,
  credentials: Credentials.Credentials,
  context: TurnContext
): Headers => {
  const sessionId = config.sessionId ?? context.conversationId
  const threadId = config.threadId ?? context.conversationId
  return defined({
    ...config.headers,
    [RoutingToken.header]: context.routingToken && RoutingToken.toHeader(context.routingToken),
    "x-client-request-id": threadId,
    "session-id": sessionId,
    "thread-id": threadId,
    ...(config.legacyHeaders ? { session_id: sessionId, "openai-beta": "responses=experimental" } : {}),
    accept: "text/event-stream",
    ...Credentials.headers(credentials),
    ...client(config),
    "x-openai-account-routing-override": context.routingOverride
  }) as Headers
}

/**
 * The headers of the JSON endpoints: the account ones (`/wham/…`) carry no originator and no version, the others do
 * (protocol A.3 … A.5).
 *
 * @since 0.1.0
 * @category constructors
 */
export const forJson = (config: CodexConfig.Service, credentials: Credentials.Credentials, path: string): Headers => ({
  ...config.headers,
  accept: "*/*",
  ...Credentials.headers(credentials),
  ...(path.startsWith("/wham/") ? { "user-agent": config.userAgent } : client(config))
})
