import { assert, describe, it } from "@effect/vitest"
import { RetryAfter, ServiceError } from "@effect-codex/schema"

describe("a delay in a header", () => {
  const now = Date.UTC(1994, 10, 6, 8, 49, 0)

  it.each([
    ["2", 2_000],
    ["2,3", 3_000],
    ["2, 3", 3_000],
    ["Sun, 06 Nov 1994 08:49:37 GMT", 37_000],
    ["Sunday, 06-Nov-94 08:49:37 GMT", 37_000],
    ["Sun Nov  6 08:49:37 1994", 37_000],
    ["1994-11-06T08:49:37", 37_000],
    ["1994-11-06T09:49:37+01:00", 37_000],
    ["Sun, 06 Nov 1994 08:00:00 GMT", 0],
    ["2,x", undefined],
    ["-5", undefined],
    ["NaN", undefined]
  ])("is read: %j", (text, millis) => {
    const zone = process.env["TZ"]
    // a date without a zone does not depend on that of the machine
    process.env["TZ"] = "Asia/Tokyo"
    try {
      assert.strictEqual(RetryAfter.fromHeaders({ "retry-after": text }, now), millis)
    } finally {
      if (zone === undefined) delete process.env["TZ"]
      else process.env["TZ"] = zone
    }
  })
})

describe("a delay in words", () => {
  it.each([
    ["Please try again in 3.2s.", 3_200],
    ["Please try your request again in 20 seconds.", 20_000],
    ["Please retry your request after 30 seconds.", 30_000],
    ["Try again in\n  20s", 20_000],
    ["Try again in ~5s", 5_000],
    ["You must wait another 20 seconds.", 20_000],
    ["Try again in 3,600 seconds.", 3_600_000],
    ["Try again in 2 weeks.", 1_209_600_000],
    ["Try again in 1 day, 2 hours and 3 minutes", 93_780_000],
    ["Try again in approximately 5 minutes.", 300_000],
    ["Try again within 5s.", 5_000],
    ["Rate limited. Retry after: 12s", 12_000],
    ["Please back off for 10s.", 10_000],
    ["Try again later. The rate limit resets in 12s.", 12_000],
    ["Request was throttled. Expected available in 12 seconds.", 12_000],
    ["There are 2 models available. Try again in 3s.", 3_000],
    ["Try again later.", undefined],
    ["Try again in 5 apples.", undefined]
  ])("is read: %j", (text, millis) => {
    assert.strictEqual(RetryAfter.fromText(text), millis)
  })

  it("is read from the beginning of a long text", () => {
    const long = "x ".repeat(100_000)
    assert.strictEqual(RetryAfter.fromText(`Try again in 2s. ${long}`), 2_000)
    assert.isUndefined(RetryAfter.fromText(`${long} Try again in 2s.`))
  })
})

describe("words", () => {
  it.each([undefined, "invalid_prompt", "server_error", "client_too_old", "model_not_found"])(
    "that want a newer client are clear whatever the code is: %s",
    (code) => {
      for (const message of [
        "The 'x' model requires a newer version of Codex. Please upgrade to the latest app or CLI.",
        "Model x requires a newer version of the Codex CLI.",
        "These models require a newer Codex version."
      ]) {
        const error = ServiceError.classify({ code, message, model: "x" })
        assert.strictEqual(error?._tag, "ModelUnavailable")
        assert.include(error?.message, "clientVersion")
      }
    }
  )
})

describe("a code", () => {
  it("is known in any case and with blanks around it", () => {
    for (const code of ["rate_limit_exceeded", "RATE_LIMIT_EXCEEDED", " Rate_Limit_Exceeded\n"]) {
      assert.strictEqual(ServiceError.classify({ code })?._tag, "RateLimited")
    }
    const capacity = { code: "POLICY_CAPACITY_UNAVAILABLE" }
    assert.isFalse(ServiceError.classify(capacity)?.isRetryable)
    assert.isTrue(ServiceError.classify({ ...capacity, status: 503 })?.isRetryable)
  })
})
