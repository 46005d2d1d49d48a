/**
 * Errors reported by the backend, as an HTTP status or inside the stream. Each class needs a different reaction from
 * the caller.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { defined } from "./Defined.ts"
import * as Failure from "./Failure.ts"
import * as Wire from "./internal/wire.ts"
import * as RateLimits from "./RateLimits.ts"
import * as Redaction from "./Redaction.ts"
import * as RetryAfter from "./RetryAfter.ts"
import type * as Turn from "./Turn.ts"

/** The time as a `Date`, unless `Date` cannot represent it. */
const date = (millis: number | undefined): Date | undefined => {
  const date = new Date(millis ?? Number.NaN)
  return Number.isNaN(date.getTime()) ? undefined : date
}

/**
 * The plan's limit is used up (`limit_reached`), the plan does not include Codex (`not_included`), or paid quota is
 * exhausted (`quota`). Retrying does not help before `resetsAt` (milliseconds since 1970).
 *
 * @since 0.1.0
 * @category errors
 */
export class UsageLimit extends Failure.Class<UsageLimit>("@effect-codex/schema/UsageLimit", "account")("UsageLimit", {
  reason: Schema.Literal("limit_reached", "not_included", "quota"),
  planType: Wire.optional(Schema.String),
  resetsAt: Wire.optional(Schema.Number),
  limitId: Wire.optional(Schema.String),
  reachedType: Wire.optional(Schema.String),
  promoMessage: Wire.optional(Schema.String),
  rateLimits: Wire.optional(RateLimits.RateLimits)
}) {
  override get message(): string {
    const plan = this.planType === undefined ? "your plan" : `the plan "${this.planType}"`
    if (this.reason === "not_included") {
      return Failure.describe(`Codex is not included in ${plan}; upgrade the plan.`, this)
    }
    if (this.reason === "quota" || this.reachedType?.includes("credits") === true) {
      return Failure.describe(`The quota of ${plan} is exhausted; add credits or raise the spending limit.`, this)
    }
    const resetsAt = date(this.resetsAt)
    const until = resetsAt === undefined ? "later" : `after ${resetsAt.toISOString()}, when the limit resets`
    const limit = this.rateLimits?.limits.find(({ limitId }) => limitId === this.limitId)?.limitName
    return limit === undefined
      ? Failure.describe(`The usage limit of ${plan} is reached; try again ${until}.`, this)
      : Failure.describe(
          `The usage limit of ${plan} for ${limit} is reached; choose another model, or try again ${until}.`,
          this
        )
  }
}

/**
 * Too many requests at once; `retryAfter` is the delay the server asked for, if any.
 *
 * @since 0.1.0
 * @category errors
 */
export class RateLimited extends Failure.Class<RateLimited>("@effect-codex/schema/RateLimited")("RateLimited", {
  rateLimits: Wire.optional(RateLimits.RateLimits)
}) {
  override get isRetryable(): boolean {
    return true
  }
  override get message(): string {
    const when = this.retryAfterMillis ? `in ${Duration.format(Duration.millis(this.retryAfterMillis))}` : "later"
    return Failure.describe(`Too many requests; try again ${when}.`, this)
  }
}

const finalInStreams: ReadonlySet<string | undefined> = new Set(["server_is_overloaded", "policy_capacity_unavailable"])

/**
 * The model or the service is at capacity. Retried if reported as an HTTP status or as `slow_down`; not retried if
 * reported as `server_is_overloaded` or `policy_capacity_unavailable` inside a stream (protocol D.7, N.6).
 *
 * @since 0.1.0
 * @category errors
 */
export class ServerOverloaded extends Failure.Class<ServerOverloaded>("@effect-codex/schema/ServerOverloaded")(
  "ServerOverloaded",
  {}
) {
  override get isRetryable(): boolean {
    return this.status !== undefined || !finalInStreams.has(this.code?.toLowerCase())
  }
  override get message(): string {
    return Failure.describe("The service is overloaded; try again later or choose another model.", this)
  }
}

/**
 * The conversation exceeds the model's context window: shorten or compact it. `contextWindow` is the size of the window
 * and `inputTokens` a lower bound of the input's tokens, where known.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContextWindowExceeded extends Failure.Class<ContextWindowExceeded>(
  "@effect-codex/schema/ContextWindowExceeded"
)("ContextWindowExceeded", {
  contextWindow: Wire.optional(Schema.Number),
  inputTokens: Wire.optional(Schema.Number)
}) {
  override get message(): string {
    const { contextWindow, inputTokens } = this
    // a lower bound below the window would contradict the message
    const input =
      inputTokens === undefined || contextWindow === undefined || inputTokens <= contextWindow
        ? ""
        : `at least ${inputTokens} tokens, `
    const sizes = contextWindow === undefined ? "" : ` (${input}window ${contextWindow})`
    return Failure.describe(`The conversation exceeds the model's context window${sizes}; shorten or compact it.`, this)
  }
}

/**
 * The server refuses a parameter, an item or an image of the request. `param` names it if the server does.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidRequest extends Failure.Class<InvalidRequest>("@effect-codex/schema/InvalidRequest")(
  "InvalidRequest",
  { param: Wire.optional(Schema.String), problems: Wire.optional(Schema.Array(Schema.String)) }
) {
  override get message(): string {
    const where = this.param === undefined ? "" : ` (parameter "${this.param}")`
    const problems = this.problems === undefined ? "" : ` ${this.problems.join(" ")}`
    return Failure.describe(`The request is not valid${where}; change it before sending it again.${problems}`, this)
  }
}

const newerClient = /requires? a newer (?:version of )?(?:the )?codex/i

/**
 * The model does not exist, is not available to this account, or requires a newer client.
 *
 * @since 0.1.0
 * @category errors
 */
export class ModelUnavailable extends Failure.Class<ModelUnavailable>("@effect-codex/schema/ModelUnavailable")(
  "ModelUnavailable",
  { model: Wire.optional(Schema.String), available: Wire.optional(Schema.Array(Schema.String)) }
) {
  override get message(): string {
    const model = this.model === undefined ? "The model" : `The model "${this.model}"`
    const others = this.available === undefined ? "" : ` Available: ${this.available.join(", ")}.`
    const remedy = newerClient.test(this.serverMessage ?? "")
      ? "needs a newer client version; raise `clientVersion` (OPENAI_CODEX_CLIENT_VERSION), or choose another one"
      : "is not available to this account; choose another one"
    return Failure.describe(`${model} ${remedy}.${others}`, this)
  }
}

/**
 * The content violates the server's usage policies.
 *
 * @since 0.1.0
 * @category errors
 */
export class PolicyViolation extends Failure.Class<PolicyViolation>("@effect-codex/schema/PolicyViolation")(
  "PolicyViolation",
  {}
) {
  override get message(): string {
    return Failure.describe("The request was refused by a usage policy; change its content.", this)
  }
}

/**
 * The account, its workspace or its access program lacks permission.
 *
 * @since 0.1.0
 * @category errors
 */
export class AccessDenied extends Failure.Class<AccessDenied>("@effect-codex/schema/AccessDenied", "account")(
  "AccessDenied",
  {}
) {
  override get message(): string {
    return Failure.describe("Access is denied; check the account, its workspace and its plan.", this)
  }
}

/**
 * The response failed because of a server error, known or unknown.
 *
 * @since 0.1.0
 * @category errors
 */
export class ResponseFailed extends Failure.Class<ResponseFailed>("@effect-codex/schema/ResponseFailed")(
  "ResponseFailed",
  {}
) {
  override get isRetryable(): boolean {
    return true
  }
  override get message(): string {
    return Failure.describe("The server failed to finish the response; try again.", this)
  }
}

/**
 * All errors reported by the backend.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ServiceError = Schema.Union(
  UsageLimit,
  RateLimited,
  ServerOverloaded,
  ContextWindowExceeded,
  InvalidRequest,
  ModelUnavailable,
  PolicyViolation,
  AccessDenied,
  ResponseFailed
)

/**
 * @since 0.1.0
 * @category errors
 */
export type ServiceError =
  | UsageLimit
  | RateLimited
  | ServerOverloaded
  | ContextWindowExceeded
  | InvalidRequest
  | ModelUnavailable
  | PolicyViolation
  | AccessDenied
  | ResponseFailed

/**
 * The known facts of a failure before it is classified. `type` is the wire's `error.type`, which sometimes holds the
 * code (protocol E.1); `resetsAt` is in milliseconds since 1970.
 *
 * @since 0.1.0
 * @category models
 */
export interface Facts {
  readonly code?: string | undefined
  readonly type?: string | undefined
  readonly message?: string | undefined
  readonly param?: string | undefined
  readonly model?: string | undefined
  readonly status?: number | undefined
  readonly planType?: string | undefined
  readonly resetsAt?: number | undefined
  readonly rateLimits?: RateLimits.RateLimits | undefined
  readonly retryAfterMillis?: number | undefined
  readonly requestId?: string | undefined
  readonly cfRay?: string | undefined
  readonly responseId?: string | undefined
  readonly partial?: Turn.PartialTurn | undefined
}

type Kind =
  | "usage_limit"
  | "not_included"
  | "quota"
  | "rate_limited"
  | "overloaded"
  | "context"
  | "invalid"
  | "model"
  | "policy"
  | "access"
  | "failed"

/** The classes of protocol D.7, code by code. */
const kinds: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ["context_length_exceeded", "context"],
  ["usage_limit_reached", "usage_limit"],
  ["usage_not_included", "not_included"],
  ...[
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "quota_exceeded",
    "billing_hard_limit_reached",
    "budget_reached"
  ].map((code) => [code, "quota"] as const),
  ["server_is_overloaded", "overloaded"],
  ["slow_down", "overloaded"],
  ["rate_limit_exceeded", "rate_limited"],
  ["invalid_prompt", "invalid"],
  ["invalid_encrypted_content", "invalid"],
  ["image_too_large", "invalid"],
  ["image_too_small", "invalid"],
  ["image_parse_error", "invalid"],
  ["unsupported_image_media_type", "invalid"],
  ["empty_image_file", "invalid"],
  ["failed_to_download_image", "invalid"],
  ["image_file_not_found", "invalid"],
  ["audio_too_large", "invalid"],
  ["cyber_policy", "policy"],
  ["bio_policy", "policy"],
  ["misalignment_policy_violation", "policy"],
  ["content_policy_violation", "policy"],
  ["model_not_found", "model"],
  ["unsupported_access_program", "access"],
  ["invalid_access_program", "access"],
  ["access_program_not_enabled", "access"],
  ["inference_hook_denied", "access"],
  ["policy_capacity_unavailable", "overloaded"],
  ["deactivated_workspace", "access"],
  ["invalid_workspace_selected", "access"],
  ["server_error", "failed"],
  ["vector_store_timeout", "failed"],
  ["data_residency_mismatch", "failed"]
])

const kindOfCode = (given: string | undefined): Kind | undefined => {
  const code = given?.trim().toLowerCase()
  if (code === undefined) return undefined
  return kinds.get(code) ?? (/^invalid_(?:image|audio)/.test(code) ? "invalid" : undefined)
}

const overflowText = /context (?:window|length)|maximum context|too many tokens/i
const modelText = /^model not found|\bmodel is not supported when using codex/i

const kindOf = ({ code, message, status, type }: Facts): Kind | undefined => {
  // these words come with all kinds of codes
  if (message !== undefined && newerClient.test(message)) return "model"
  const byCode = kindOfCode(code) ?? kindOfCode(type)
  if (byCode !== undefined) return byCode
  if (message !== undefined && modelText.test(message)) return "model"
  if (type === "invalid_request_error")
    return message !== undefined && overflowText.test(message) ? "context" : "invalid"
  return status === undefined ? undefined : byStatus.get(status)
}

/** The fallback if the error has no known code. */
const byStatus: ReadonlyMap<number, Kind> = new Map([
  [400, "invalid"],
  [401, "access"],
  [402, "access"],
  [403, "access"],
  [413, "invalid"],
  [422, "invalid"],
  [429, "rate_limited"],
  [503, "overloaded"]
])

/**
 * The error for an unclassified failure.
 *
 * @since 0.1.0
 * @category constructors
 */
export const responseFailed = (facts: Facts): ResponseFailed => new ResponseFailed(failure(facts), Failure.trusted)

/**
 * Classifies a failure by the server's error. Returns `undefined` if nothing in it is known; then the HTTP status or
 * the event type decides.
 *
 * @since 0.1.0
 * @category constructors
 */
export const classify = (facts: Facts): ServiceError | undefined => {
  const fields = failure(facts)
  const limits = facts.rateLimits === undefined ? {} : { rateLimits: facts.rateLimits }
  const usage = () => ({
    ...fields,
    ...limits,
    ...defined({
      planType: facts.planType ?? facts.rateLimits?.planType,
      resetsAt: date(facts.resetsAt)?.getTime(),
      limitId: facts.rateLimits?.activeLimit,
      reachedType: facts.rateLimits?.reachedType,
      promoMessage: facts.rateLimits?.promoMessage
    })
  })
  switch (kindOf(facts)) {
    case "usage_limit":
      return new UsageLimit({ ...usage(), reason: "limit_reached" }, Failure.trusted)
    case "not_included":
      return new UsageLimit({ ...usage(), reason: "not_included" }, Failure.trusted)
    case "quota":
      return new UsageLimit({ ...usage(), reason: "quota" }, Failure.trusted)
    case "rate_limited":
      return new RateLimited({ ...fields, ...limits }, Failure.trusted)
    case "overloaded":
      return new ServerOverloaded(fields, Failure.trusted)
    case "context":
      return new ContextWindowExceeded(fields, Failure.trusted)
    case "invalid":
      return new InvalidRequest({ ...fields, ...defined({ param: facts.param }) }, Failure.trusted)
    case "model":
      return new ModelUnavailable({ ...fields, ...defined({ model: facts.model }) }, Failure.trusted)
    case "policy":
      return new PolicyViolation(fields, Failure.trusted)
    case "access":
      return new AccessDenied(fields, Failure.trusted)
    case "failed":
      return new ResponseFailed(fields, Failure.trusted)
    case undefined:
      return undefined
  }
}

/**
 * The common fields of a failure; secrets are redacted from strings.
 *
 * @since 0.1.0
 * @category constructors
 */
export const failure = (facts: Facts) =>
  defined({
    status: facts.status,
    code: facts.code ?? (kindOfCode(facts.type) === undefined ? undefined : facts.type),
    serverMessage: facts.message === undefined ? undefined : Redaction.scrub(facts.message),
    requestId: facts.requestId,
    cfRay: facts.cfRay,
    responseId: facts.responseId,
    retryAfterMillis: facts.retryAfterMillis,
    partial: facts.partial
  })

/**
 * The delay before a retry: the longest of those in fields, headers and, for rate limit errors, the message (protocol
 * D.7).
 *
 * @since 0.1.0
 * @category combinators
 */
export const delayOf = (facts: Facts): number | undefined => {
  const kind = kindOf(facts)
  const isThrottled = kind === "rate_limited" || kind === "overloaded"
  const times = [
    facts.retryAfterMillis,
    isThrottled && facts.message !== undefined ? RetryAfter.fromText(facts.message) : undefined
  ].filter((time) => time !== undefined)
  return times.length === 0 ? undefined : Math.max(...times)
}

/**
 * When the exhausted limit of a plan resets, in milliseconds since 1970: the time in the error, else that of the
 * exhausted window (protocol E.4). `undefined` if it is not after `now`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const resetOf = (
  facts: Pick<Facts, "resetsAt" | "rateLimits"> & { readonly windowMinutes?: number | undefined },
  now: number | undefined
): number | undefined => {
  const { rateLimits, windowMinutes } = facts
  const windows = (rateLimits?.limits ?? [])
    .filter((limit) => limit.limitId === (rateLimits?.activeLimit ?? "codex"))
    .flatMap((limit) => limit.windows)
    .filter(
      (window) => window.usedPercent >= 100 || (windowMinutes !== undefined && window.windowMinutes === windowMinutes)
    )
  const times = facts.resetsAt === undefined ? windows.flatMap(({ resetsAt }) => resetsAt ?? []) : [facts.resetsAt]
  const time = times.length === 0 ? undefined : Math.max(...times)
  return time !== undefined && (now === undefined || time > now) ? time : undefined
}
