import { assert, describe, it } from "@effect/vitest"
import * as Package from "@effect-codex/schema"
import { RateLimits, Redaction, ServiceError, type Turn } from "@effect-codex/schema"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { fewer } from "../../../test/exhaustive.ts"
import { drawFrom, forAll } from "../../../test/property.ts"

const exported = Object.entries(Package).flatMap(([module, namespace]) =>
  Object.entries(namespace).flatMap(([name, value]) =>
    Schema.isSchema(value) ? [[`${module}.${name}`, value as Schema.Schema.AnyNoContext] as const] : []
  )
)

/**
 * A plain copy, without `Redacted` and class instances, which deep equality would tell apart, and without a stack. A key
 * named `__proto__` is no data to effect's decoder, and an empty `extra` adds nothing to a request.
 */
const plain = (value: unknown): unknown => {
  if (Redacted.isRedacted(value)) return { redacted: plain(Redacted.value(value)) }
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== "object" || value === null) return value
  const entries = Object.entries(value).filter(
    ([key, inner]) =>
      key !== "__proto__" &&
      !(value instanceof Error && key === "stack") &&
      !(key === "extra" && JSON.stringify(inner) === "{}")
  )
  return Object.fromEntries(entries.map(([key, inner]) => [key, plain(inner)]))
}

describe("every exported schema", () => {
  it("is found", () => assert.isAbove(exported.length, 60))

  for (const [name, schema] of exported) {
    it(`${name} takes its values to the wire and back`, () => {
      const encode = Schema.encodeSync(schema)
      const decode = Schema.decodeUnknownSync(schema)
      forAll(
        [drawFrom(schema)],
        (value) => {
          const wire = encode(value)
          const back = decode(wire)
          assert.deepStrictEqual(plain(back), plain(value))
          assert.deepStrictEqual(plain(encode(back)), plain(wire))
        },
        { runs: fewer(25) }
      )
    })
  }
})

describe("every failure the backend states", () => {
  const partial: Turn.PartialTurn = {
    responseId: "resp_1",
    blocks: [{ _tag: "Text", outputIndex: 0, text: "Hel", annotations: [] }],
    text: "Hel",
    diagnostics: { events: 3, unknown: 0, malformed: 0, driftCount: 0, drift: [] },
    items: Redacted.make([
      { type: "reasoning" as const, id: "rs_1", summary: [], encrypted_content: "gAAAAsecret", internal: [1] }
    ]),
    abandonedToolCalls: [{ type: "function", callId: "c", name: "f", arguments: '{"a' }]
  }
  const fields = {
    status: 429,
    code: "the_code",
    serverMessage: "the words",
    requestId: "req_1",
    cfRay: "ray_1",
    responseId: "resp_1",
    retryAfterMillis: 1500,
    partial
  }
  const rateLimits = {
    planType: "plus",
    limits: [{ limitId: "codex", windows: [{ usedPercent: 100, windowMinutes: 300, resetsAt: 1_795_400_000_000 }] }],
    credits: { hasCredits: false, unlimited: false }
  }
  const errors: ReadonlyArray<ServiceError.ServiceError> = [
    ...(["limit_reached", "not_included", "quota"] as const).map(
      (reason) =>
        new ServiceError.UsageLimit({
          ...fields,
          reason,
          planType: "plus",
          resetsAt: 1_795_400_000_000,
          limitId: "codex",
          reachedType: "workspace_owner_credits_depleted",
          promoMessage: "promo",
          rateLimits
        })
    ),
    new ServiceError.UsageLimit({ reason: "limit_reached" }),
    new ServiceError.RateLimited({ ...fields, rateLimits }),
    new ServiceError.ServerOverloaded(fields),
    new ServiceError.ContextWindowExceeded({ ...fields, contextWindow: 272_000, inputTokens: 300_000 }),
    new ServiceError.InvalidRequest({ ...fields, param: "input", problems: ["One.", "Two."] }),
    new ServiceError.ModelUnavailable({ ...fields, model: "m", available: ["a", "b"] }),
    new ServiceError.PolicyViolation(fields),
    new ServiceError.AccessDenied(fields),
    new ServiceError.ResponseFailed(fields),
    new ServiceError.ResponseFailed({})
  ]

  it("is among these", () => {
    assert.sameMembers(
      [...new Set(errors.map((error) => error._tag))],
      ServiceError.ServiceError.members.map((member) => member._tag)
    )
  })

  for (const error of errors) {
    it(`${error._tag} survives JSON, with its message and what it promises`, () => {
      const json = JSON.parse(JSON.stringify(Schema.encodeSync(ServiceError.ServiceError)(error)))
      const back = Schema.decodeUnknownSync(ServiceError.ServiceError)(json)
      assert.instanceOf(back, Error)
      assert.deepStrictEqual(plain(back), plain(error))
      assert.deepStrictEqual(
        [back.message, back.isRetryable, back.retryAfter],
        [error.message, error.isRetryable, error.retryAfter]
      )
    })

    it(`${error._tag} shows no encrypted content by itself`, () => {
      assert.notInclude(`${error} ${error.message} ${JSON.stringify(error.partial ?? {})}`, "gAAAA")
    })
  }

  it("a reset that Date cannot represent is ignored, and no message throws", () => {
    const absurd = 1_795_400_000 * 1e12
    const error = ServiceError.classify({ type: "usage_limit_reached", resetsAt: absurd })
    assert.strictEqual(error?._tag === "UsageLimit" ? error.resetsAt : absurd, undefined)
    assert.include(error?.message, "later")
    const made = new ServiceError.UsageLimit({ reason: "limit_reached", resetsAt: absurd })
    assert.include(made.message, "later")
    const event = { rate_limits: { primary: { used_percent: 5, window_minutes: 300, reset_at: absurd } } }
    assert.deepStrictEqual(RateLimits.fromEvent(event)?.limits[0]?.windows, [{ usedPercent: 5, windowMinutes: 300 }])
  })
})

describe("Redaction", () => {
  it("leaves a short text that happens to begin a secret", () => {
    for (const text of ["x", "user", "user id"]) {
      assert.strictEqual(Redaction.scrub(text, { secrets: ["user id 1234", "xyz and more"] }), text)
    }
    assert.strictEqual(Redaction.scrub("user…", { secrets: ["user id 1234"] }), "<redacted>…")
  })

  it("cuts no secret in half", () => {
    const secret = "opaque-secret-0123456789"
    const text = Redaction.scrub(`${"x".repeat(90)} ${secret}`, { secrets: [secret], limit: 100 })
    assert.notInclude(text, secret.slice(0, 6))
  })

  it("leaves no half of a secret in a text that was cut before the secret was known", () => {
    const secret = "opaque-secret-0123456789"
    for (let kept = 4; kept < secret.length; kept++) {
      const cut = Redaction.scrub(`${"x".repeat(100 - kept)}${secret}`, { limit: 100 })
      assert.strictEqual(Redaction.scrub(cut, { secrets: [secret] }), `${"x".repeat(100 - kept)}<redacted>…`)
    }
    assert.strictEqual(Redaction.scrub("It ends with opaque", { secrets: [secret] }), "It ends with opaque")
  })

  const percent = (text: string) => [...text].map((one) => `%${one.charCodeAt(0).toString(16)}`).join("")
  const unicode = (text: string) => [...text].map((one) => `\\u00${one.charCodeAt(0).toString(16)}`).join("")
  const hex = (text: string) => [...text].map((one) => one.charCodeAt(0).toString(16)).join("")
  const lines = (text: string) => text.match(/.{1,7}/gs) ?? []
  const secrets = ["Jane.Doe+x@example.org", 'pa$$ w0rd&"more/', "acc-1f2E3d4c-5B6a", "aWlkZWQ=.QWxhZGRpbjpvcGVu"]
  for (const [what, write] of Object.entries({
    "in capitals": (text: string) => text.toUpperCase(),
    "in small letters": (text: string) => text.toLowerCase(),
    "as part of a URL": encodeURIComponent,
    "as part of a URL in a URL": (text: string) => encodeURIComponent(encodeURIComponent(text)),
    "over several lines": (text: string) => lines(text).join("\r\n  "),
    "over several lines in JSON": (text: string) => lines(text).join("\\n"),
    "over several lines in a URL": (text: string) => lines(text).map(encodeURIComponent).join("%0A"),
    "over several lines in base64": (text: string) => lines(btoa(text)).join("\n"),
    "in a form": (text: string) => new URLSearchParams([["", text]]).toString().slice(1),
    "in percents": percent,
    "in escapes of JSON": unicode,
    "as JSON in JSON": (text: string) => JSON.stringify(JSON.stringify(text)).slice(3, -3),
    "in numbers of HTML": (text: string) => [...text].map((one) => `&#${one.charCodeAt(0)};`).join(""),
    "in names of HTML": (text: string) => text.replace(/&/g, "&amp;").replace(/"/g, "&quot;"),
    "in base64": btoa,
    "in base64 behind one byte": (text: string) => btoa(`:${text}`).slice(2),
    "in base64 amid others": (text: string) => btoa(`ab${text}cd`).slice(3, -3),
    "in hex": hex,
    "with what cannot be seen": (text: string) => `${text.slice(0, 5)}\u200b${text.slice(5)}`,
    "cut by somebody else": (text: string) => `${text.slice(0, 9)}...`,
    "cut in the middle": (text: string) => `${text.slice(0, 9)}…${text.slice(-9)}`
  })) {
    it(`finds a secret ${what}, and leaves the rest as it was`, () => {
      for (const secret of secrets) {
        const written = write(secret)
        const text = Redaction.scrub(`50%25 of 'é' &amp; ${written} \\u0041 &lt;é`, {
          secrets: secrets.flatMap(Redaction.forms)
        })
        assert.match(text, /^50%25 of 'é' &amp; .{0,2}<redacted>.{0,4}(?:…<redacted>)? \\u0041 &lt;é$/s)
      }
    })
  }

  it("takes words that together spell a short secret for what they are", () => {
    const text = "There is no network, and no net income."
    assert.strictEqual(Redaction.scrub(text, { secrets: ["none", "isno", "nonet"] }), text)
  })

  it("leaves nothing of a secret that has another one in it, in whichever order they are named", () => {
    const secrets = ["user-1", "user-1-of-the-account", "the-account"]
    for (const order of [secrets, [...secrets].reverse()]) {
      assert.strictEqual(Redaction.scrub("Hello user-1-of-the-account!", { secrets: order }), "Hello <redacted>!")
    }
  })

  it("knows encrypted content by its look, also in base64", () => {
    for (let length = 0; length < 4; length++) {
      const content = `gAAAA${"Bk12".slice(0, length)}`
      for (const text of [content, btoa(`${content}xyz`)]) assert.strictEqual(Redaction.scrub(text), "<redacted>")
    }
  })
})
