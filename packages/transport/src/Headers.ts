/**
 * The headers of requests to the backend (protocol B). Cookies (`internal/cookies.ts`), `content-encoding`
 * (`internal/compression.ts`) and differences of WebSocket handshakes (`internal/webSocketCarrier.ts`) are handled
 * elsewhere.
 *
 * @since 0.1.0
 */
import * as Credentials from "@effect-codex/auth/Credentials"
import { defined } from "@effect-codex/schema/Defined"
import * as RoutingToken from "@effect-codex/schema/RoutingToken"
import type * as Redacted from "effect/Redacted"
import type * as CodexConfig from "./CodexConfig.ts"

/**
 * The inputs of a turn's headers besides configuration and credentials.
 *
 * @since 0.1.0
 * @category models
 */
export interface TurnContext {
  readonly conversationId?: string | undefined
  /** The routing token from the turn's first response. */
  readonly routingToken?: Redacted.Redacted | undefined
  /** The routing override of the workspace, if any (protocol A.4). */
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
 * The headers of the JSON endpoints. Account endpoints (`/wham/…`) get no originator and no version (protocol A.3 …
 * A.5).
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
