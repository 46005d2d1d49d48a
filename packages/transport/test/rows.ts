/** What the backend answers, and what has to come of it: one row for each row of protocol E.1, E.2, E.3 and D.7. */
import * as Script from "@effect-codex/testing/Script"
import type { CodexConfig } from "@effect-codex/transport"

/** `scale` shortens what the server says about time, `now` is the time its dates are made from. */
export interface Time {
  readonly scale: number
  readonly now: number
}

export interface Row {
  readonly name: string
  readonly script: (time: Time) => Script.Script
  /** Milliseconds between the requests; one request more than there are waits. */
  readonly waits: ReadonlyArray<number>
  /** Keys the final error has; `undefined` when the last request succeeds. */
  readonly error: { readonly _tag: string; readonly [key: string]: unknown } | undefined
  readonly options?: CodexConfig.Options
  /** How often a 401 leads to a fresh token. */
  readonly refreshes?: number
}

const once: ReadonlyArray<number> = []
const backoff = [1000, 2000, 4000]
/** The service is away. */
const outage = [200, 400, 800, 1600, 3200, 6400, 12_800]

const ok = Script.turn({ text: "ok" })
const always = (step: Script.Step) => () => Script.always(step)
const status = (code: number, body?: unknown, headers: Record<string, string> = {}) =>
  always(Script.status(code, { body, headers }))

const edgePage =
  "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head><body>You have been blocked</body></html>"
const plainPage = "<html><head><title>Forbidden</title></head><body><p>secret details</p></body></html>"

/** E.1: what each body means. */
export const bodies: ReadonlyArray<Row> = [
  {
    name: "400 detail: store",
    script: status(400, { detail: "Store must be set to false" }),
    waits: once,
    error: { _tag: "InvalidRequest", serverMessage: "Store must be set to false" }
  },
  {
    name: "400 detail: instructions",
    script: status(400, { detail: "Instructions are required" }),
    waits: once,
    error: { _tag: "InvalidRequest", serverMessage: "Instructions are required" }
  },
  {
    name: "400 detail: unsupported parameter",
    script: status(400, { detail: "Unsupported parameter: temperature" }),
    waits: once,
    error: { _tag: "InvalidRequest", serverMessage: "Unsupported parameter: temperature" }
  },
  {
    name: "400 detail: service tier",
    script: status(400, { detail: "Unsupported service_tier: fast" }),
    waits: once,
    error: { _tag: "InvalidRequest", serverMessage: "Unsupported service_tier: fast" }
  },
  {
    name: "400 detail: model not on the plan",
    script: status(400, { detail: "The 'x' model is not supported when using Codex with a ChatGPT account." }),
    waits: once,
    error: { _tag: "ModelUnavailable", model: "gpt-5.5" }
  },
  {
    name: "400 schema violation",
    script: status(400, {
      error: { message: "Invalid type.", type: "invalid_request_error", param: "input", code: null }
    }),
    waits: once,
    error: { _tag: "InvalidRequest", param: "input", serverMessage: "Invalid type." }
  },
  {
    name: "400 invalid_encrypted_content",
    script: status(400, { error: { code: "invalid_encrypted_content", message: "could not be verified" } }),
    waits: once,
    error: { _tag: "InvalidRequest", code: "invalid_encrypted_content" }
  },
  {
    name: "400 context_length_exceeded",
    script: status(400, { error: { code: "context_length_exceeded", message: "too long" } }),
    waits: once,
    error: { _tag: "ContextWindowExceeded", status: 400 }
  },
  {
    name: "400 cyber_policy",
    script: status(400, { error: { code: "cyber_policy", message: "no" } }),
    waits: once,
    error: { _tag: "PolicyViolation" }
  },
  {
    name: "401 detail",
    script: status(401, { detail: "Unauthorized" }),
    waits: [0],
    refreshes: 1,
    error: { _tag: "Unauthorized", status: 401, serverMessage: "Unauthorized" }
  },
  ...["token_expired", "token_invalidated", "token_revoked"].map(
    (code): Row => ({
      name: `401 ${code}`,
      script: status(401, {
        error: { message: "Sign in again.", type: "invalid_request_error", code, param: null },
        status: 401
      }),
      waits: [0],
      refreshes: 1,
      error: { _tag: "Unauthorized", code }
    })
  ),
  {
    name: "401 missing scopes",
    script: status(401, { error: { message: "Missing scopes: api.responses.write" } }),
    waits: [0],
    refreshes: 1,
    error: { _tag: "Unauthorized", serverMessage: "Missing scopes: api.responses.write" }
  },
  {
    name: "402 deactivated workspace",
    script: status(402, { detail: { code: "deactivated_workspace" } }),
    waits: once,
    error: { _tag: "AccessDenied", code: "deactivated_workspace" }
  },
  {
    name: "403 wrong account id",
    script: status(403, { detail: { code: "invalid_workspace_selected" } }),
    waits: once,
    error: { _tag: "AccessDenied", code: "invalid_workspace_selected" }
  },
  {
    name: "403 HTML of the edge",
    script: status(403, edgePage, { "cf-ray": "ray-1" }),
    waits: once,
    error: { _tag: "EdgeBlocked", cfRay: "ray-1", serverMessage: "Attention Required! | Cloudflare" }
  },
  {
    name: "403 other JSON",
    script: status(403, { error: { message: "No.", type: "invalid_request_error" } }),
    waits: once,
    error: { _tag: "AccessDenied", serverMessage: "No." }
  },
  {
    name: "403 other HTML",
    script: status(403, plainPage),
    waits: once,
    error: { _tag: "AccessDenied", serverMessage: "Forbidden" }
  },
  {
    name: "403 identity headers",
    script: status(403, undefined, {
      "x-openai-authorization-error": "workspace gone",
      "x-error-json": Buffer.from(JSON.stringify({ error: { code: "deactivated_workspace" } })).toString("base64")
    }),
    waits: once,
    error: { _tag: "AccessDenied", code: "deactivated_workspace", serverMessage: "workspace gone" }
  },
  {
    name: "404 model not found",
    script: status(404, {
      error: { message: "Model not found x", type: "invalid_request_error", param: "model", code: null }
    }),
    waits: once,
    error: { _tag: "ModelUnavailable", model: "gpt-5.5" }
  },
  {
    name: "413",
    script: status(413, plainPage),
    waits: once,
    error: { _tag: "InvalidRequest", status: 413 }
  },
  {
    name: "429 usage_limit_reached",
    script: status(
      429,
      {
        error: {
          type: "usage_limit_reached",
          message: "The usage limit has been reached",
          plan_type: "plus",
          resets_at: 1895400000,
          resets_in_seconds: 5400,
          limit_window_minutes: 300,
          eligible_promo: null
        }
      },
      { "x-codex-active-limit": "codex", "x-codex-promo-message": "Buy more", "retry-after": "1" }
    ),
    waits: once,
    error: {
      _tag: "UsageLimit",
      reason: "limit_reached",
      planType: "plus",
      resetsAt: 1895400000_000,
      limitId: "codex",
      promoMessage: "Buy more"
    }
  },
  {
    name: "429 usage_limit_reached in detail",
    script: status(429, { detail: { code: "usage_limit_reached", resets_at: 1895400000 } }),
    waits: once,
    error: { _tag: "UsageLimit", reason: "limit_reached", resetsAt: 1895400000_000 }
  },
  {
    name: "404 usage_limit_reached",
    script: status(404, { error: { code: "usage_limit_reached" } }),
    waits: once,
    error: { _tag: "UsageLimit", reason: "limit_reached" }
  },
  {
    name: "429 usage_limit_reached with the reset in headers only",
    script: status(
      429,
      { error: { type: "usage_limit_reached" } },
      {
        "x-codex-primary-used-percent": "100",
        "x-codex-primary-window-minutes": "10080",
        "x-codex-primary-reset-at": "1895700000",
        "x-codex-secondary-used-percent": "10",
        "x-codex-secondary-window-minutes": "300",
        "x-codex-secondary-reset-at": "1895400000",
        "x-codex-plan-type": "pro"
      }
    ),
    waits: once,
    error: { _tag: "UsageLimit", resetsAt: 1895700000_000, planType: "pro" }
  },
  {
    name: "429 usage_not_included",
    script: status(429, { error: { type: "usage_not_included" } }),
    waits: once,
    error: { _tag: "UsageLimit", reason: "not_included" }
  },
  {
    name: "429 insufficient_quota",
    script: status(429, { error: { code: "insufficient_quota" } }),
    waits: once,
    error: { _tag: "UsageLimit", reason: "quota" }
  },
  {
    name: "429 rate_limit_exceeded: not sooner than its words say",
    script: ({ scale }) =>
      Script.always(
        Script.status(429, {
          body: { error: { code: "rate_limit_exceeded", message: `Please try again in ${3.2 * scale}s` } }
        })
      ),
    waits: [3200, 3200, 3200],
    error: { _tag: "RateLimited", code: "rate_limit_exceeded" }
  },
  {
    name: "429 whose words name a later time than Retry-After",
    script: ({ scale }) => [
      Script.status(429, {
        headers: { "retry-after-ms": String(1000 * scale) },
        body: { detail: `Slow down, try again in ${5 * scale} seconds.` }
      }),
      ok
    ],
    waits: [5000],
    error: undefined
  },
  {
    name: "500 text",
    script: status(500, "oops"),
    waits: outage,
    error: { _tag: "HttpFailure", status: 500, serverMessage: "oops" }
  },
  {
    name: "502 HTML",
    script: status(502, "<html><title>502 Bad Gateway</title></html>"),
    waits: outage,
    error: { _tag: "HttpFailure", status: 502, serverMessage: "502 Bad Gateway" }
  },
  {
    name: "503 empty",
    script: status(503),
    waits: outage,
    error: { _tag: "ServerOverloaded", status: 503 }
  },
  {
    name: "body with a message only",
    script: status(418, { message: "short and stout" }),
    waits: once,
    error: { _tag: "HttpFailure", status: 418, serverMessage: "short and stout" }
  },
  {
    name: "validation errors as a list",
    script: status(422, { detail: [{ loc: ["body"], msg: "field required" }] }),
    waits: once,
    error: { _tag: "InvalidRequest", serverMessage: "field required" }
  },
  {
    name: "400 that wants a newer client",
    script: status(400, { detail: "The model gpt-x requires a newer version of Codex. Please upgrade." }),
    waits: once,
    error: { _tag: "ModelUnavailable", model: "gpt-5.5" }
  },
  ...[{ "content-type": "application/json" }, {}].map(
    (headers): Row => ({
      name: `a 200 that is a JSON error ${JSON.stringify(headers)}`,
      script: always(
        Script.status(200, {
          body: { error: { code: "model_not_found", message: "No such model." } },
          headers: { "content-type": null as never, ...headers }
        })
      ),
      waits: once,
      error: { _tag: "ModelUnavailable", code: "model_not_found", serverMessage: "No such model." }
    })
  ),
  {
    name: "a 200 that is a JSON detail",
    script: status(200, { detail: "The quota of the workspace is used up." }, { "content-type": "application/json" }),
    waits: once,
    error: { _tag: "HttpFailure", status: 200, serverMessage: "The quota of the workspace is used up." }
  },
  {
    name: "a 200 that is plain text",
    script: status(200, "upstream connect error", { "content-type": "text/plain" }),
    waits: once,
    error: { _tag: "HttpFailure", status: 200, serverMessage: "upstream connect error" }
  },
  {
    name: "a 200 that is the challenge of the edge",
    script: status(200, "<html><title>Just a moment...</title></html>", { "content-type": "text/html" }),
    waits: once,
    error: { _tag: "EdgeBlocked", status: 200 }
  },
  {
    name: "429 usage_limit_reached in a body above the limit",
    script: status(429, { error: { type: "usage_limit_reached", message: "Used up." }, debug: "x".repeat(100_000) }),
    waits: once,
    error: { _tag: "UsageLimit", reason: "limit_reached", serverMessage: "Used up." }
  },
  {
    name: "a 200 that is a page with a line like a field",
    script: always(Script.bytes([plainPage.replace("<body>", "<body>\nevent: none\n")])),
    waits: once,
    error: { _tag: "HttpFailure", status: 200, serverMessage: "Forbidden" }
  },
  {
    name: "a 200 that is a web page",
    script: status(200, plainPage),
    waits: once,
    error: { _tag: "HttpFailure", status: 200, serverMessage: "Forbidden" }
  }
]

/** E.2: how many requests each answer leads to. */
export const retries: ReadonlyArray<Row> = [
  { name: "408 for ever", script: status(408), waits: backoff, error: { _tag: "HttpFailure", status: 408 } },
  ...[500, 501, 502, 504, 507, 520, 522, 524, 529, 530, 599].map(
    (code): Row => ({
      name: `${code} for ever`,
      script: status(code),
      waits: outage,
      error: { _tag: "HttpFailure", status: code }
    })
  ),
  {
    name: "503 server_is_overloaded",
    script: status(503, { error: { code: "server_is_overloaded" } }),
    waits: outage,
    error: { _tag: "ServerOverloaded" }
  },
  {
    name: "503 slow_down",
    script: status(503, { error: { code: "slow_down" } }),
    waits: outage,
    error: { _tag: "ServerOverloaded", code: "slow_down" }
  },
  {
    name: "503 with Retry-After",
    script: ({ scale }) => Script.always(Script.status(503, { headers: { "retry-after": String(2 * scale) } })),
    waits: [2000, 2000, 2000],
    error: { _tag: "ServerOverloaded" }
  },
  { name: "429 without Retry-After", script: status(429), waits: backoff, error: { _tag: "RateLimited" } },
  {
    name: "429 with Retry-After",
    script: ({ scale }) => Script.always(Script.status(429, { headers: { "retry-after": String(3 * scale) } })),
    waits: [3000, 3000, 3000],
    error: { _tag: "RateLimited" }
  },
  { name: "400", script: status(400), waits: once, error: { _tag: "InvalidRequest" } },
  {
    name: "401 whose token cannot be renewed",
    script: status(401),
    waits: once,
    refreshes: 0,
    error: { _tag: "LoginExpired" }
  },
  { name: "401 once", script: () => [Script.status(401), ok], waits: [0], refreshes: 1, error: undefined },
  { name: "403", script: status(403), waits: once, error: { _tag: "AccessDenied" } },
  { name: "404", script: status(404), waits: once, error: { _tag: "HttpFailure", status: 404 } },
  {
    name: "307",
    script: always(Script.redirect("https://elsewhere.example/path?token=x")),
    waits: once,
    error: { _tag: "HttpFailure", status: 307, location: "https://elsewhere.example" }
  },
  {
    name: "connection reset",
    script: always(Script.resetBeforeHeaders),
    waits: outage,
    error: { _tag: "ConnectionFailed", reason: "reset", phase: "headers" }
  },
  {
    name: "connection refused",
    script: () => Array.from({ length: 8 }, () => Script.refuse),
    waits: outage,
    error: { _tag: "ConnectionFailed", reason: "refused", phase: "headers", systemCode: "ECONNREFUSED" }
  },
  {
    name: "503 twice, then a turn",
    script: () => [Script.status(503), Script.status(503), ok],
    waits: [200, 400],
    error: undefined
  }
]

/** E.3: how long each wait is. */
export const delays: ReadonlyArray<Row> = [
  {
    name: "Retry-After in seconds",
    script: ({ scale }) => [Script.status(503, { headers: { "retry-after": String(30 * scale) } }), ok],
    waits: [30_000],
    error: undefined
  },
  {
    name: "Retry-After as a date",
    script: ({ now, scale }) => [
      Script.status(503, { headers: { "retry-after": new Date(now + 20_000 * scale).toUTCString() } }),
      ok
    ],
    waits: [20_000],
    error: undefined
  },
  {
    name: "Retry-After as a date gone by",
    script: () => [Script.status(503, { headers: { "retry-after": "Thu, 01 Jan 1970 00:00:00 GMT" } }), ok],
    waits: [0],
    error: undefined
  },
  {
    name: "retry-after-ms before Retry-After",
    script: ({ scale }) => [
      Script.status(503, { headers: { "retry-after": "9", "retry-after-ms": String(1500 * scale) } }),
      ok
    ],
    waits: [1500],
    error: undefined
  },
  {
    name: "Retry-After that is no time",
    script: () => [Script.status(503, { headers: { "retry-after": "soon" } }), ok],
    waits: [200],
    error: undefined
  },
  {
    name: "Retry-After longer than the limit",
    script: always(Script.status(503, { headers: { "retry-after": "61" } })),
    waits: once,
    error: { _tag: "ServerOverloaded", retryAfterMillis: 61_000 }
  },
  {
    name: "Retry-After longer than the limit, capped",
    script: () => [Script.status(503, { headers: { "retry-after": "61" } }), ok],
    waits: [60_000],
    error: undefined,
    options: { retry: { longRetryAfter: "cap" } }
  }
]

const stated = (code: string, error: Row["error"], waits: ReadonlyArray<number> = once): Row => ({
  name: `${code} in a stream`,
  script: always(Script.failed({ code, message: "The words of the server." })),
  waits,
  error
})

/** D.7: the codes of `response.failed`. */
export const codes: ReadonlyArray<Row> = [
  stated("context_length_exceeded", { _tag: "ContextWindowExceeded" }),
  ...[
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "quota_exceeded",
    "billing_hard_limit_reached"
  ].map((code) => stated(code, { _tag: "UsageLimit", reason: "quota", code })),
  stated("usage_not_included", { _tag: "UsageLimit", reason: "not_included" }),
  stated("server_is_overloaded", { _tag: "ServerOverloaded" }),
  stated("slow_down", { _tag: "ServerOverloaded", code: "slow_down" }, backoff),
  {
    name: "rate_limit_exceeded in a stream: try again in 1.5s",
    script: ({ scale }) => [
      Script.failed({ code: "rate_limit_exceeded", message: `Please try again in ${1.5 * scale}s.` }),
      ok
    ],
    waits: [1500],
    error: undefined
  },
  {
    name: "rate_limit_exceeded in a stream: try again in 900ms",
    script: ({ scale }) => [
      Script.failed({ code: "rate_limit_exceeded", message: `Please try again in ${900 * scale}ms.` }),
      ok
    ],
    waits: [900],
    error: undefined
  },
  stated("rate_limit_exceeded", { _tag: "RateLimited" }, backoff),
  stated("invalid_prompt", { _tag: "InvalidRequest", serverMessage: "The words of the server." }),
  ...["cyber_policy", "bio_policy", "misalignment_policy_violation", "content_policy_violation"].map((code) =>
    stated(code, { _tag: "PolicyViolation", code })
  ),
  ...[
    "invalid_image_format",
    "image_too_large",
    "image_too_small",
    "image_parse_error",
    "unsupported_image_media_type",
    "empty_image_file",
    "failed_to_download_image",
    "image_file_not_found",
    "invalid_audio_format",
    "audio_too_large"
  ].map((code) => stated(code, { _tag: "InvalidRequest", code })),
  ...["server_error", "vector_store_timeout", "data_residency_mismatch", "some_new_code"].map((code) =>
    stated(code, { _tag: "ResponseFailed", code }, backoff)
  ),
  stated("usage_limit_reached", { _tag: "UsageLimit", reason: "limit_reached" }),
  ...[
    "unsupported_access_program",
    "invalid_access_program",
    "access_program_not_enabled",
    "inference_hook_denied"
  ].map((code) => stated(code, { _tag: "AccessDenied", code })),
  stated("policy_capacity_unavailable", { _tag: "ServerOverloaded", isRetryable: false }),
  stated("model_not_found", { _tag: "ModelUnavailable" }),
  stated("budget_reached", { _tag: "UsageLimit", reason: "quota" }),
  ...["previous_response_not_found", "websocket_connection_limit_reached"].map((code) =>
    stated(code, { _tag: "ResponseFailed", code }, backoff)
  )
]

/** D.5: bodies that end badly, as far as bytes tell. */
export const endings: ReadonlyArray<Row> = [
  {
    name: "connection reset in the body",
    script: always(ok.pipe(Script.resetAfterEvents(3))),
    waits: outage,
    error: { _tag: "ConnectionFailed", reason: "reset", phase: "body" }
  },
  {
    name: "silence in the body",
    script: always(ok.pipe(Script.silenceAfterEvents(3))),
    waits: [11_000, 12_000, 14_000],
    error: { _tag: "StreamIdle", kind: "bytes" },
    options: { timeouts: { idle: "10 seconds" } }
  }
]

export const rows: ReadonlyArray<Row> = [...bodies, ...retries, ...delays, ...codes, ...endings]
