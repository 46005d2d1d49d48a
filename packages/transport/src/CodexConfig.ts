/**
 * Connection and request settings: one service, validated when its Layer is built.
 *
 * @since 0.1.0
 */

import { defined } from "@effect-codex/schema/Defined"
import type * as History from "@effect-codex/schema/History"
import type * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as ConversationId from "./ConversationId.ts"
import { version } from "./internal/version.ts"
import * as RetryPolicy from "./RetryPolicy.ts"
import { InvalidConfig } from "./TransportError.ts"

/**
 * The validated configuration.
 *
 * @since 0.1.0
 * @category tags
 */
export class CodexConfig extends Context.Tag("@effect-codex/transport/CodexConfig")<CodexConfig, Service>() {}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Up to `/backend-api`; `/codex/responses` and the other paths are appended. */
  readonly baseUrl: string
  /** The model of requests without one. */
  readonly model: string
  /** The `originator` header. */
  readonly originator: string
  readonly userAgent: string
  /** The client version sent when fetching the model catalogue; the server omits models that require a newer one. */
  readonly clientVersion: string
  /** Also send `clientVersion` as the `version` header, which some newly launched models require (protocol B.3). */
  readonly versionHeader: boolean
  /** Overrides `session-id`; default: the conversation id. */
  readonly sessionId?: string
  /** Overrides `thread-id` and `x-client-request-id`; default: the conversation id. */
  readonly threadId?: string
  readonly reasoning?: Reasoning
  readonly verbosity?: ResponsesRequest.Verbosity
  readonly serviceTier?: ResponsesRequest.ServiceTier
  readonly parallelToolCalls: boolean
  /**
   * Send the same defaults as the Codex CLI: the model's default effort and verbosity, `tool_choice`, image detail
   * (protocol N.5). With `false` the server's defaults apply.
   */
  readonly catalogueDefaults: boolean
  /** The limit of each tool output: from the model's catalogue entry, an explicit limit, or none. */
  readonly toolOutputLimit: History.OutputLimit | "catalogue" | "none"
  readonly retry: RetryPolicy.RetryPolicy
  /**
   * Replaces the schedule of `retry`. Non-retryable errors are still not retried, and the server's delay is still
   * respected.
   */
  readonly retrySchedule?: RetryPolicy.RetrySchedule
  /** Whether to retry once without reasoning items when the server refuses replayed encrypted reasoning. */
  readonly discardReasoning: boolean
  readonly timeouts: Timeouts
  /**
   * The transport of turns. `sse`: server-sent events. `websocket`: a WebSocket; a turn fails if none can be opened.
   * `auto`: a WebSocket if the request has a conversation id, with fallback to server-sent events.
   */
  readonly transport: "sse" | "websocket" | "auto"
  /** `zstd` compresses request bodies if the runtime supports it; see `Compression`. */
  readonly compression: "off" | "zstd"
  /** Look up the origin that serves the workspace before the first request (required for EU and FedRAMP workspaces). */
  readonly workspaceRouting: boolean
  /** Additional domains that may serve a workspace, besides OpenAI's own; credentials are sent to them. */
  readonly workspaceDomains: ReadonlyArray<string>
  /**
   * Keep the cookies of the network edge and the load balancer for the lifetime of the Layer, like the Codex CLI: they
   * route requests to the same prompt cache. Only for `https://chatgpt.com`, never on disk (protocol N.1).
   */
  readonly cookies: boolean
  /** Add `session_id` and `OpenAI-Beta: responses=experimental`, the headers of older clients. */
  readonly legacyHeaders: boolean
  /** Additional headers of every request; headers set by this library are rejected. */
  readonly headers: Readonly<Record<string, string>>
  /** Keep the last failed exchange, redacted, for diagnosis; see `FailureCapture`. */
  readonly failureCapture: boolean
}

/**
 * The default reasoning settings of requests.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reasoning {
  readonly effort?: ResponsesRequest.Effort
  readonly summary?: ResponsesRequest.ReasoningSummary
}

/**
 * The timeouts of a request. The connect timeout is a setting of the HTTP client: see the `/node` entry.
 *
 * @since 0.1.0
 * @category models
 */
export interface Timeouts {
  /** From sending to the response headers, including connecting. Default 300 s. */
  readonly headers: Duration.Duration
  /** Maximum time without any bytes of the body; keep-alives count. Default 300 s. */
  readonly idle: Duration.Duration
  /**
   * Maximum time without progress of the turn; keep-alives and rate limit events are not progress. Default 30 minutes.
   */
  readonly progress: Duration.Duration
  /** The whole request including its body and retries. Default: no limit. */
  readonly total?: Duration.Duration
}

/**
 * Optional settings; `undefined` is the same as absent. Per-request overrides replace configured values; nested values
 * (`retry.retries`, `timeouts.idle`, a header) are replaced individually.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends OrUndefined<Omit<Service, "reasoning" | "retry" | "timeouts">> {
  readonly reasoning?: OrUndefined<Reasoning> | undefined
  readonly retry?:
    | {
        readonly [K in keyof RetryPolicy.RetryPolicy]?:
          | (RetryPolicy.RetryPolicy[K] extends Duration.Duration ? Duration.DurationInput : RetryPolicy.RetryPolicy[K])
          | undefined
      }
    | undefined
  readonly timeouts?: { readonly [K in keyof Timeouts]?: Duration.DurationInput | undefined } | undefined
}

/** Every key optional; `undefined` is the same as a key that is absent. */
type OrUndefined<A> = { readonly [K in keyof A]?: A[K] | undefined }

/**
 * The default configuration.
 *
 * @since 0.1.0
 * @category configuration
 */
export const defaults: Service = {
  baseUrl: "https://chatgpt.com/backend-api",
  model: "gpt-5.5",
  originator: "effect-codex",
  userAgent: `effect-codex/${version}`,
  clientVersion: "0.169.0",
  versionHeader: false,
  parallelToolCalls: true,
  catalogueDefaults: true,
  toolOutputLimit: "catalogue",
  retry: RetryPolicy.defaults,
  discardReasoning: true,
  timeouts: { headers: Duration.seconds(300), idle: Duration.seconds(300), progress: Duration.minutes(30) },
  transport: "sse",
  compression: "off",
  workspaceRouting: false,
  workspaceDomains: [],
  cookies: true,
  legacyHeaders: false,
  headers: {},
  failureCapture: true
}

/** Headers derived from settings, credentials and the body. */
const reservedHeaders: ReadonlySet<string> = new Set([
  "accept",
  "authorization",
  "chatgpt-account-id",
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "cookie",
  "host",
  "originator",
  "session-id",
  "thread-id",
  "transfer-encoding",
  "user-agent",
  "x-client-request-id",
  "x-codex-turn-state",
  "x-openai-account-routing-override",
  "x-openai-fedramp"
])

const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const headerValue = /^[\x20-\x7e]+$/
const threeParts = /^\d+\.\d+\.\d+$/
const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

const checkBaseUrl = (baseUrl: string): ReadonlyArray<string> => {
  // not quoted, because it may contain a password
  if (!URL.canParse(baseUrl)) return [`baseUrl: not a URL; use one such as ${defaults.baseUrl}`]
  const url = new URL(baseUrl)
  return [
    ...(url.protocol === "https:" || (url.protocol === "http:" && loopback.test(url.hostname))
      ? []
      : ["baseUrl: use https; http is for loopback addresses only"]),
    ...(url.username === "" && url.password === "" ? [] : ["baseUrl: remove the user name and password"]),
    ...(url.search === "" && url.hash === "" ? [] : ["baseUrl: remove the query and the fragment"])
  ]
}

const checkHeaders = (headers: Readonly<Record<string, string>>): ReadonlyArray<string> =>
  Object.entries(headers).flatMap(([name, value]) =>
    reservedHeaders.has(name.toLowerCase())
      ? [`headers: "${name}" is set by the library; use the setting for it`]
      : !headerName.test(name) || !headerValue.test(value)
        ? [`headers: "${name}" needs a token as its name and visible ASCII as its value`]
        : []
  )

const check = (settings: Service): ReadonlyArray<string> => {
  const { retry, timeouts } = settings
  const oneOf = (name: string, value: string | undefined, allowed: ReadonlyArray<string>) =>
    value === undefined || allowed.includes(value) ? [] : [`${name}: "${value}" is not one of ${allowed.join(", ")}`]
  const positive = (name: string, value: Duration.Duration | undefined) =>
    value === undefined || Duration.toMillis(value) > 0 ? [] : [`${name}: use a duration longer than zero`]
  const plain = (name: string, value: string) =>
    headerValue.test(value) ? [] : [`${name}: use a non-empty string of visible ASCII characters`]
  const id = (name: string, value: string | undefined) =>
    value === undefined || ConversationId.isConversationId(value)
      ? []
      : [`${name}: use 1 to 64 visible ASCII characters, such as a UUID`]
  const rule = (holds: boolean, problem: string) => (holds ? [] : [problem])
  return [
    ...checkBaseUrl(settings.baseUrl),
    ...rule(settings.model.trim() !== "", "model: use a non-empty name"),
    ...plain("originator", settings.originator),
    ...plain("userAgent", settings.userAgent),
    ...rule(threeParts.test(settings.clientVersion), "clientVersion: use three numbers, such as 0.169.0"),
    ...id("sessionId", settings.sessionId),
    ...id("threadId", settings.threadId),
    ...rule(settings.reasoning?.effort !== "", "reasoning.effort: use a level such as medium, or omit it"),
    ...rule(settings.reasoning?.summary !== "", "reasoning.summary: use auto, concise or detailed, or omit it"),
    ...rule(settings.verbosity !== "", "verbosity: use low, medium or high, or omit it"),
    ...oneOf("serviceTier", settings.serviceTier, ["default", "priority"]),
    ...oneOf("transport", settings.transport, ["sse", "websocket", "auto"]),
    ...oneOf("compression", settings.compression, ["off", "zstd"]),
    ...rule(
      Number.isInteger(retry.retries) && retry.retries >= 0 && retry.retries <= 100,
      "retry.retries: use 0 … 100"
    ),
    ...rule(
      Number.isInteger(retry.outageRetries) && retry.outageRetries >= 0 && retry.outageRetries <= 100,
      "retry.outageRetries: use 0 … 100"
    ),
    ...positive("retry.outageBaseDelay", retry.outageBaseDelay),
    ...rule(retry.factor >= 1 && retry.factor <= 100, "retry.factor: use 1 … 100"),
    ...rule(retry.jitter >= 0 && retry.jitter <= 1, "retry.jitter: use 0 … 1"),
    ...oneOf("retry.longRetryAfter", retry.longRetryAfter, ["fail", "cap"]),
    ...positive("retry.baseDelay", retry.baseDelay),
    ...rule(
      Duration.lessThanOrEqualTo(retry.baseDelay, retry.maxDelay),
      "retry: baseDelay is longer than maxDelay; lower it or raise maxDelay"
    ),
    ...positive("timeouts.headers", timeouts.headers),
    ...positive("timeouts.idle", timeouts.idle),
    ...positive("timeouts.progress", timeouts.progress),
    ...positive("timeouts.total", timeouts.total),
    ...checkHeaders(settings.headers)
  ]
}

/** A limit longer than the total can never trigger; reported only for limits that are set together. */
const checkLimits = (limits: Partial<Timeouts>): ReadonlyArray<string> => {
  const { total, ...others } = limits
  if (total === undefined) return []
  return Object.entries(others).flatMap(([name, limit]) =>
    Duration.greaterThan(limit, total)
      ? [`timeouts.${name}: is longer than timeouts.total; lower it or raise total`]
      : []
  )
}

/** `https://host/backend-api/` and `…/codex/responses` name the same backend as `https://host/backend-api`. */
const normaliseBaseUrl = (baseUrl: string): string =>
  baseUrl
    .trim()
    .replace(/\/+$/, "")
    .replace(/\/codex(?:\/responses)?$/, "")

/** Parses the durations of a group, and reports invalid ones. */
const durations = <K extends string>(
  group: string,
  inputs: { readonly [_ in K]?: Duration.DurationInput | undefined }
): { readonly values: { readonly [_ in K]?: Duration.Duration }; readonly problems: ReadonlyArray<string> } => {
  const values: { [_ in K]?: Duration.Duration } = {}
  const problems: Array<string> = []
  for (const name of Object.keys(inputs) as Array<K>) {
    const input = inputs[name]
    if (input === undefined) continue
    const duration = Duration.decodeUnknown(input)
    if (Option.isSome(duration)) values[name] = duration.value
    else problems.push(`${group}.${name}: ${JSON.stringify(input)} is not a duration; use one such as "30 seconds"`)
  }
  return { values, problems }
}

/**
 * Overrides `base` with the options, or fails with all problems in one error.
 *
 * @since 0.1.0
 * @category combinators
 */
export const override = (base: Service, options: Options = {}): Effect.Effect<Service, InvalidConfig> => {
  const { headers, reasoning, retry = {}, timeouts = {}, ...rest } = options
  const { baseDelay, maxDelay, maxRetryAfter, outageBaseDelay, ...retryRest } = retry
  const waits = durations("retry", { baseDelay, maxDelay, maxRetryAfter, outageBaseDelay })
  const limits = durations("timeouts", timeouts)
  const merged = { ...base, ...defined({ ...rest, reasoning: reasoning && defined(reasoning) }) }
  const settings: Service = {
    ...merged,
    baseUrl: normaliseBaseUrl(merged.baseUrl),
    retry: { ...base.retry, ...defined(retryRest), ...waits.values },
    timeouts: { ...base.timeouts, ...limits.values },
    headers: { ...base.headers, ...headers }
  }
  const problems = [...waits.problems, ...limits.problems, ...checkLimits(limits.values), ...check(settings)]
  return problems.length === 0 ? Effect.succeed(settings) : Effect.fail(new InvalidConfig({ problems }))
}

/**
 * The deadline of a request that starts at `now`: after `timeouts.total`, or the caller's deadline if that is earlier.
 * All times are those of `Monotonic`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const deadline = (config: Service, now: number, callers?: number | undefined): number | undefined => {
  const { total } = config.timeouts
  if (total === undefined) return callers
  return Math.min(now + Duration.toMillis(total), callers ?? Number.POSITIVE_INFINITY)
}

/**
 * Makes a configuration from options and {@link defaults}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Effect.Effect<Service, InvalidConfig> => override(defaults, options)

/**
 * A Layer of `CodexConfig` from options and {@link defaults}. Building it fails with all problems in one error.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { CodexConfig } from "@effect-codex/transport"
 *
 * const config = CodexConfig.layer({ model: "gpt-5.5", timeouts: { total: "10 minutes" } })
 * ```
 */
export const layer = (options?: Options): Layer.Layer<CodexConfig, InvalidConfig> =>
  Layer.effect(CodexConfig, make(options))

const group = <A extends object>(fields: A): A | undefined =>
  Object.values(fields).some((value) => value !== undefined) ? fields : undefined

/**
 * The options from environment variables. All are optional; an invalid value is a `ConfigError`.
 *
 * | variable | setting |
 * | --- | --- |
 * | `OPENAI_CODEX_BASE_URL` | `baseUrl` |
 * | `OPENAI_CODEX_MODEL` | `model` |
 * | `OPENAI_CODEX_ORIGINATOR` | `originator` |
 * | `OPENAI_CODEX_USER_AGENT` | `userAgent` |
 * | `OPENAI_CODEX_CLIENT_VERSION` | `clientVersion`, such as `0.169.0` |
 * | `OPENAI_CODEX_VERSION_HEADER` | `versionHeader`, `true` or `false` |
 * | `OPENAI_CODEX_SESSION_ID` | `sessionId` |
 * | `OPENAI_CODEX_THREAD_ID` | `threadId` |
 * | `OPENAI_CODEX_REASONING_EFFORT` | `reasoning.effort` |
 * | `OPENAI_CODEX_REASONING_SUMMARY` | `reasoning.summary` |
 * | `OPENAI_CODEX_VERBOSITY` | `verbosity` |
 * | `OPENAI_CODEX_SERVICE_TIER` | `serviceTier` |
 * | `OPENAI_CODEX_CATALOGUE_DEFAULTS` | `catalogueDefaults`, `true` or `false` |
 * | `OPENAI_CODEX_PARALLEL_TOOL_CALLS` | `parallelToolCalls`, `true` or `false` |
 * | `OPENAI_CODEX_RETRIES` | `retry.retries` |
 * | `OPENAI_CODEX_OUTAGE_RETRIES` | `retry.outageRetries` |
 * | `OPENAI_CODEX_RETRY_BASE_DELAY` | `retry.baseDelay`, such as `1 second` |
 * | `OPENAI_CODEX_RETRY_MAX_DELAY` | `retry.maxDelay` |
 * | `OPENAI_CODEX_RETRY_MAX_RETRY_AFTER` | `retry.maxRetryAfter` |
 * | `OPENAI_CODEX_DISCARD_REASONING` | `discardReasoning`, `true` or `false` |
 * | `OPENAI_CODEX_HEADERS_TIMEOUT` | `timeouts.headers`, such as `2 minutes` |
 * | `OPENAI_CODEX_IDLE_TIMEOUT` | `timeouts.idle` |
 * | `OPENAI_CODEX_PROGRESS_TIMEOUT` | `timeouts.progress` |
 * | `OPENAI_CODEX_TOTAL_TIMEOUT` | `timeouts.total` |
 * | `OPENAI_CODEX_TRANSPORT` | `transport`, `sse`, `websocket` or `auto` |
 * | `OPENAI_CODEX_COMPRESSION` | `compression`, `off` or `zstd` |
 * | `OPENAI_CODEX_WORKSPACE_ROUTING` | `workspaceRouting`, `true` or `false` |
 * | `OPENAI_CODEX_COOKIES` | `cookies`, `true` or `false` |
 * | `OPENAI_CODEX_LEGACY_HEADERS` | `legacyHeaders`, `true` or `false` |
 * | `OPENAI_CODEX_FAILURE_CAPTURE` | `failureCapture`, `true` or `false` |
 *
 * @since 0.1.0
 * @category configuration
 */
export const config: Config.Config<Options> = (() => {
  const optional = <A>(self: Config.Config<A>): Config.Config<A | undefined> =>
    Config.map(Config.option(self), Option.getOrUndefined)
  const string = (name: string) => optional(Config.nonEmptyString(name))
  const boolean = (name: string) => optional(Config.boolean(name))
  const duration = (name: string) => optional(Config.duration(name))
  const literal = <const A extends ReadonlyArray<string>>(name: string, ...values: A) =>
    optional(Config.literal(...values)(name))
  return Config.all({
    baseUrl: string("OPENAI_CODEX_BASE_URL"),
    model: string("OPENAI_CODEX_MODEL"),
    originator: string("OPENAI_CODEX_ORIGINATOR"),
    userAgent: string("OPENAI_CODEX_USER_AGENT"),
    clientVersion: string("OPENAI_CODEX_CLIENT_VERSION"),
    versionHeader: boolean("OPENAI_CODEX_VERSION_HEADER"),
    sessionId: string("OPENAI_CODEX_SESSION_ID"),
    threadId: string("OPENAI_CODEX_THREAD_ID"),
    effort: string("OPENAI_CODEX_REASONING_EFFORT"),
    summary: string("OPENAI_CODEX_REASONING_SUMMARY"),
    verbosity: string("OPENAI_CODEX_VERBOSITY"),
    serviceTier: literal("OPENAI_CODEX_SERVICE_TIER", "default", "priority"),
    catalogueDefaults: boolean("OPENAI_CODEX_CATALOGUE_DEFAULTS"),
    parallelToolCalls: boolean("OPENAI_CODEX_PARALLEL_TOOL_CALLS"),
    retries: optional(Config.integer("OPENAI_CODEX_RETRIES")),
    outageRetries: optional(Config.integer("OPENAI_CODEX_OUTAGE_RETRIES")),
    baseDelay: duration("OPENAI_CODEX_RETRY_BASE_DELAY"),
    maxDelay: duration("OPENAI_CODEX_RETRY_MAX_DELAY"),
    maxRetryAfter: duration("OPENAI_CODEX_RETRY_MAX_RETRY_AFTER"),
    discardReasoning: boolean("OPENAI_CODEX_DISCARD_REASONING"),
    headers: duration("OPENAI_CODEX_HEADERS_TIMEOUT"),
    idle: duration("OPENAI_CODEX_IDLE_TIMEOUT"),
    progress: duration("OPENAI_CODEX_PROGRESS_TIMEOUT"),
    total: duration("OPENAI_CODEX_TOTAL_TIMEOUT"),
    transport: literal("OPENAI_CODEX_TRANSPORT", "sse", "websocket", "auto"),
    compression: literal("OPENAI_CODEX_COMPRESSION", "off", "zstd"),
    workspaceRouting: boolean("OPENAI_CODEX_WORKSPACE_ROUTING"),
    cookies: boolean("OPENAI_CODEX_COOKIES"),
    legacyHeaders: boolean("OPENAI_CODEX_LEGACY_HEADERS"),
    failureCapture: boolean("OPENAI_CODEX_FAILURE_CAPTURE")
  }).pipe(
    Config.map(
      ({
        baseDelay,
        effort,
        headers,
        idle,
        maxDelay,
        maxRetryAfter,
        outageRetries,
        progress,
        retries,
        summary,
        total,
        ...rest
      }): Options =>
        defined({
          ...rest,
          reasoning: group(defined({ effort, summary })),
          retry: defined({ retries, outageRetries, baseDelay, maxDelay, maxRetryAfter }),
          timeouts: defined({ headers, idle, progress, total })
        })
    )
  )
})()

/**
 * A Layer of `CodexConfig` from the options, then the environment (see {@link config}), then {@link defaults}: explicit
 * options take precedence.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (options?: Options): Layer.Layer<CodexConfig, InvalidConfig | ConfigError.ConfigError> =>
  Layer.effect(
    CodexConfig,
    Effect.flatMap(Effect.flatMap(config, make), (fromEnvironment) => override(fromEnvironment, options))
  )
