import { assert, describe, it } from "@effect/vitest"
import { ErrorStatement } from "@effect-codex/schema"

describe("what an error states", () => {
  it.each<readonly [unknown, ErrorStatement.ErrorStatement]>([
    [{ error: "Unauthorized", message: "The token has expired." }, { message: "The token has expired." }],
    [{ message: "Bad Request", error: "The model 'x' is unknown." }, { message: "The model 'x' is unknown." }],
    [{ error: "conflict", error_description: "Wait for the other one." }, { message: "Wait for the other one." }],
    [{ error: { code: "slow_down", message: "Later." } }, { code: "slow_down", message: "Later." }],
    [{ error: { type: "usage_limit_reached" } }, { type: "usage_limit_reached" }],
    [{ type: "error", error: { message: "no" } }, { message: "no" }],
    [{ detail: "no" }, { message: "no" }],
    [{ error: { code: " slow_down\n", type: "x " } }, { code: "slow_down", type: "x" }],
    [
      { type: "response.failed", response: { error: { code: "a_b", message: "no" } } },
      { code: "a_b", message: "no" }
    ],
    [{ detail: [{ loc: ["body"], msg: "a" }, { msg: "b" }, "c"] }, { message: "a; b; c" }],
    [{ detail: { code: "deactivated_workspace" } }, { code: "deactivated_workspace" }],
    [{ errors: [{ code: 403, message: "no" }] }, { status: 403, message: "no" }],
    [{ error: "invalid_grant" }, { code: "invalid_grant", message: "invalid_grant" }],
    [
      { error: "invalid_grant", error_description: "It was used." },
      { code: "invalid_grant", message: "It was used." }
    ],
    [
      { error: "No luck.", code: "x_1" },
      { code: "x_1", message: "No luck." }
    ],
    [{ error: '{"code":"a_b","message":"m"}' }, { code: "a_b", message: "m" }],
    [
      { error: { code: 400, message: ' {"error":{"code":"a_b","message":"m"}}' } },
      { status: 400, code: "a_b", message: "m" }
    ],
    [{ error: { code: "a_b", message: '{"x":1}' } }, { code: "a_b", message: '{"x":1}' }],
    [{ error: { message: "{not JSON" } }, { message: "{not JSON" }],
    [
      { title: "Too Many Requests", status: "429", type: "about:blank" },
      { type: "about:blank", message: "Too Many Requests", status: 429 }
    ],
    [
      { error: { resets_at: "1795400000", limit_window_minutes: "300" } },
      { resetsAt: 1_795_400_000_000, windowMinutes: 300 }
    ],
    [{ error: { resets_at: 1_795_400_000_000 } }, { resetsAt: 1_795_400_000_000 }],
    [{ error: { resets_at: "2026-11-23T00:00:00Z" } }, { resetsAt: Date.UTC(2026, 10, 23) }],
    [{ error: { resets_in_seconds: "60" } }, { resetsAt: 61_000 }],
    [{ error: { retry_after: 1.5 } }, { retryAfterMillis: 1500 }],
    [{ error: { retry_after_ms: "20", retry_after: -1 } }, { retryAfterMillis: 20 }],
    [{ error: { message: "", code: " ", param: null, status: 200, resets_at: "soon", retry_after: "x" } }, {}],
    ...[null, undefined, 5, "", " ", [], {}, { error: null }, { error: [] }, { error: { error: {} } }].map(
      (nothing) => [nothing, {}] as const
    )
  ])("%j", (value, expected) => {
    assert.deepStrictEqual(ErrorStatement.fromValue(value, 1000), expected)
    if (value !== undefined)
      assert.deepStrictEqual(ErrorStatement.fromText(JSON.stringify(value), 1000), textOf(value, expected))
  })

  /** A number alone is a text, and so is what is no JSON. */
  const textOf = (value: unknown, expected: ErrorStatement.ErrorStatement) =>
    typeof value === "number" || value === null ? { message: JSON.stringify(value) } : expected

  it("is shown as it came where it is in words that cannot be told apart", () => {
    for (const value of [
      { reason: "no" },
      { error: { message: ["one", "two"] } },
      { error: { message: { text: "no" } } },
      { error: { message: 42 } },
      { fault: { faultstring: "no", detail: { errorcode: "x" } } }
    ]) {
      const text = JSON.stringify(value)
      assert.strictEqual(ErrorStatement.unread(`\uFEFF${text}\n`), text)
    }
    for (const nothing of [
      "",
      "5",
      '"no"',
      "no",
      "{}",
      "[]",
      '{"a":{}}',
      '{"error":null}',
      '{"error":" "}',
      '{"a":true}'
    ]) {
      assert.isUndefined(ErrorStatement.unread(nothing), nothing)
    }
    assert.isUndefined(ErrorStatement.unread('{"error":{"code":"a_b"},"reason":"no"}'))
  })

  it("is the title of a page, and plain words", () => {
    assert.deepStrictEqual(ErrorStatement.fromText("\uFEFF <!DOCTYPE html><title a>Just\n a moment</title>"), {
      message: "Just a moment"
    })
    assert.deepStrictEqual(ErrorStatement.fromText("<html></html>"), {})
    assert.deepStrictEqual(ErrorStatement.fromText("upstream connect error"), { message: "upstream connect error" })
  })

  it("of XML has its code and its words", () => {
    for (const before of ["", '<?xml version="1.0" encoding="UTF-8"?>\n']) {
      assert.deepStrictEqual(
        ErrorStatement.fromText(`${before}<Error><Code>SlowDown</Code><Message>Reduce your\n rate.</Message></Error>`),
        { code: "SlowDown", message: "Reduce your rate." }
      )
    }
  })

  it("is read however deep and long it is", () => {
    const depth = 100_000
    assert.deepStrictEqual(ErrorStatement.fromText(`${'{"error":'.repeat(depth)}1${"}".repeat(depth)}`), {})
    assert.deepStrictEqual(ErrorStatement.fromText(`${"[".repeat(depth)}${"]".repeat(depth)}`), {})
    const page = `<html>${"<title".repeat(20_000)}`
    assert.deepStrictEqual(ErrorStatement.fromText(page), {})
  })
})

describe("an error at the beginning of a body that was cut off", () => {
  const echo = "x".repeat(65_536)
  it.each<readonly [string, ErrorStatement.ErrorStatement]>([
    [`{"error":{"code":"a_b","message":"Too long: ${echo}`, { code: "a_b", message: "Too long: " }],
    [
      `{"error":{"type":"a_b","message":"No.","param":"input"},"debug":"${echo}`,
      { type: "a_b", message: "No.", param: "input" }
    ],
    [`{"detail":[{"msg":"missing","input":"a"},{"msg":"missing","input":"${echo}`, { message: "missing; missing" }],
    [`{"detail":"No.","sent":["${echo}`, { message: "No." }],
    [`[{"error":{"code":"a_b"}},{"debug":"${echo}`, { code: "a_b" }],
    ['{"error":{"code":"a_b","message":"One, two."}} and more', { code: "a_b", message: "One, two." }]
  ])("is read: %#", (body, expected) => {
    assert.deepStrictEqual(ErrorStatement.fromText(body), expected)
  })

  it("has no half word, which could be half a secret", () => {
    for (const [message, kept] of [
      ["of a canary", { message: "of a " }],
      ["canary", {}]
    ] as const) {
      assert.deepStrictEqual(ErrorStatement.fromText(`{"code":"a_b","message":"${message}`), { code: "a_b", ...kept })
    }
  })
})

describe("an error in a line of a body", () => {
  const error = '{"type":"error","error":{"code":"slow_down","message":"Later."}}'

  it.each([`event: error\ndata: ${error}\n\n`, `data:${error}`, `: ping\r\ndata: ${error}\r\n`, `${error}\n{"x":1}`])(
    "is read: %j",
    (body) => {
      assert.deepStrictEqual(ErrorStatement.fromText(body), { code: "slow_down", message: "Later." })
    }
  )

  it.each(["data: {not JSON}", "words {} and more", "{}\nx}"])("is else its text: %j", (body) => {
    const { message } = ErrorStatement.fromText(body)
    assert.isTrue(message === undefined || message === body)
  })
})
