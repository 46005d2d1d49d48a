import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { draw } from "../../../test/property.ts"
import { AuthFile, Claims, Credentials } from "../src/index.ts"
import { accessToken, authClaim, jwt, secret } from "./support/jwt.ts"

const reveal = (value: Redacted.Redacted | undefined) => (value === undefined ? undefined : Redacted.value(value))

describe("Claims", () => {
  it.effect("reads the claims of a ChatGPT token", () =>
    Effect.gen(function* () {
      const claims = yield* Claims.fromToken(
        secret(
          jwt({
            exp: 1_795_419_765,
            iat: 1_795_416_165,
            "https://api.openai.com/profile": { email: "a@example.org" },
            [authClaim]: {
              chatgpt_account_id: "acc_1",
              chatgpt_plan_type: "HC",
              user_id: "user_1",
              chatgpt_account_is_fedramp: true
            }
          })
        )
      )
      assert.strictEqual(reveal(claims.accountId), "acc_1")
      assert.strictEqual(reveal(claims.email), "a@example.org")
      assert.strictEqual(reveal(claims.userId), "user_1")
      assert.strictEqual(claims.planType, "enterprise")
      assert.isTrue(claims.isFedramp)
      assert.strictEqual(claims.expiresAt, 1_795_419_765_000)
      assert.strictEqual(claims.issuedAt, 1_795_416_165_000)
    })
  )

  it.effect("takes base64url with characters outside base64, with and without padding", () =>
    Effect.gen(function* () {
      const plain = jwt({ email: "ÿþ~~~???@example.org", [authClaim]: { chatgpt_account_id: "ä" } })
      const [header, payload, signature] = plain.split(".")
      const padded = [header, `${payload}${"=".repeat((4 - ((payload?.length ?? 0) % 4)) % 4)}`, signature].join(".")
      for (const token of [plain, padded]) {
        const claims = yield* Claims.fromToken(secret(token))
        assert.strictEqual(reveal(claims.accountId), "ä")
      }
    })
  )

  it.effect("tells why something is no token", () =>
    Effect.gen(function* () {
      const reasonOf = (token: string) => Effect.map(Effect.flip(Claims.fromToken(secret(token))), (e) => e.reason)
      const b64 = (text: string) => Buffer.from(text).toString("base64url")
      assert.strictEqual(yield* reasonOf(""), "segments")
      assert.strictEqual(yield* reasonOf("sk-proj-123"), "apiKey")
      assert.strictEqual(yield* reasonOf("rt_123"), "refreshToken")
      assert.strictEqual(yield* reasonOf("a.b"), "segments")
      assert.strictEqual(yield* reasonOf("a.b.c.d"), "segments")
      assert.strictEqual(yield* reasonOf("a..c"), "segments")
      assert.strictEqual(yield* reasonOf("a.%%%.c"), "base64")
      assert.strictEqual(yield* reasonOf(`a.${b64("no json")}.c`), "json")
      assert.strictEqual(yield* reasonOf(`a.${b64("[1]")}.c`), "claims")
      assert.strictEqual(yield* reasonOf(`a.${b64("7")}.c`), "claims")
    })
  )

  it.effect("takes an end in milliseconds, in the past or missing", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        (yield* Claims.fromToken(secret(jwt({ exp: 1_795_419_765_000 })))).expiresAt,
        1_795_419_765_000
      )
      assert.strictEqual((yield* Claims.fromToken(secret(jwt({ exp: 1 })))).expiresAt, 1000)
      assert.isUndefined((yield* Claims.fromToken(secret(jwt({})))).expiresAt)
      assert.isUndefined((yield* Claims.fromToken(secret(jwt({ exp: null })))).expiresAt)
    })
  )
})

describe("one odd field", () => {
  const good = {
    exp: 1_795_419_765,
    iat: 1_795_416_165,
    email: "a@example.org",
    chatgpt_account_id: "top",
    organizations: [{ id: "org" }],
    "https://api.openai.com/profile": { email: "b@example.org" },
    [authClaim]: {
      chatgpt_account_id: "acc_1",
      chatgpt_plan_type: "plus",
      chatgpt_user_id: "user_1",
      chatgpt_account_is_fedramp: true
    }
  }
  const shown = (claims: Claims.Claims) =>
    Object.fromEntries(
      Object.entries(claims).map(([key, value]) => [key, Redacted.isRedacted(value) ? Redacted.value(value) : value])
    )

  /** Replaces one field, at any depth. */
  const paths = [
    ...Object.keys(good).map((key) => [key]),
    ...Object.keys(good[authClaim]).map((key) => [authClaim, key]),
    ["https://api.openai.com/profile", "email"]
  ]
  const odd = draw.oneof(draw.jsonValue(), draw.constantFrom({}, [], "", "x", true, null, 1e300, -1))

  it.effect.prop(
    "of a token costs at most itself",
    { path: draw.constantFrom(...paths), value: odd },
    ({ path: [key = "", inner], value }) =>
      Effect.gen(function* () {
        const claims =
          inner === undefined
            ? { ...good, [key]: value }
            : {
                ...good,
                [key]: { ...(good as unknown as Record<string, object>)[key], [inner]: value }
              }
        const before = shown(yield* Claims.fromToken(secret(jwt(good))))
        const after = shown(yield* Claims.fromToken(secret(jwt(claims))))
        const lost = Object.keys(before).filter((name) => after[name] !== before[name])
        // The auth claim itself holds four of them.
        assert.isAtMost(lost.length, key === authClaim && inner === undefined ? 4 : 1)
        for (const [name, text] of Object.entries(after)) {
          assert.include(["string", "boolean", "number"], typeof text, name)
        }
      })
  )

  it.effect("of a number may be text", () =>
    Effect.gen(function* () {
      const claims = yield* Claims.fromToken(secret(jwt({ ...good, exp: "1795419765" })))
      assert.strictEqual(claims.expiresAt, 1_795_419_765_000)
    })
  )

  const file = {
    auth_mode: "chatgpt",
    OPENAI_API_KEY: null,
    tokens: { id_token: "id", access_token: accessToken({}), refresh_token: "rt_1", account_id: "acc_1" },
    last_refresh: "2026-11-22T07:40:11.123Z"
  }
  const optional = [
    ["auth_mode"],
    ["OPENAI_API_KEY"],
    ["last_refresh"],
    ["tokens", "id_token"],
    ["tokens", "refresh_token"],
    ["tokens", "account_id"]
  ]

  it.effect.prop(
    "of a credential file costs at most itself, and is still there after a refresh that does not replace it",
    { path: draw.constantFrom(...optional), value: odd.filter((value) => typeof value !== "string") },
    ({ path: [key = "", inner], value }) =>
      Effect.gen(function* () {
        const content =
          inner === undefined ? { ...file, [key]: value } : { ...file, tokens: { ...file.tokens, [inner]: value } }
        const parsed = yield* AuthFile.parse(JSON.stringify(content), "auth.json")
        assert.strictEqual(reveal(parsed.login?.accessToken), file.tokens.access_token)
        if (inner !== "refresh_token") assert.strictEqual(reveal(parsed.login?.refreshToken), "rt_1")
        const written = JSON.parse(yield* parsed.renew(parsed.login ?? { accessToken: secret("") }))
        if (value !== null && key !== "auth_mode") {
          const kept = inner === undefined ? written[key] : written.tokens[inner]
          assert.deepStrictEqual(kept, JSON.parse(JSON.stringify(value)))
        }
      })
  )
})

describe("Credentials", () => {
  it.effect("are headers in one place", () =>
    Effect.gen(function* () {
      const credentials = yield* Credentials.fromTokens({ accessToken: secret(jwt({})), accountId: secret("acc_1") })
      assert.deepStrictEqual(Credentials.headers(credentials), {
        authorization: `Bearer ${jwt({})}`,
        "chatgpt-account-id": "acc_1"
      })
      assert.deepInclude(Credentials.headers({ ...credentials, isFedramp: true }), { "x-openai-fedramp": "true" })
    })
  )

  const withAccount = (account: string) => jwt({ [authClaim]: { chatgpt_account_id: account } })

  it.effect("finds the account id in the order of the protocol", () =>
    Effect.gen(function* () {
      const account = (tokens: { access: object; id?: object; stored?: string }) =>
        Effect.map(
          Credentials.fromTokens({
            accessToken: secret(jwt(tokens.access)),
            ...(tokens.id === undefined ? {} : { idToken: secret(jwt(tokens.id)) }),
            ...(tokens.stored === undefined ? {} : { accountId: secret(tokens.stored) })
          }),
          (credentials) => reveal(credentials.accountId)
        )
      const claim = (id: string) => ({ [authClaim]: { chatgpt_account_id: id } })
      assert.strictEqual(yield* account({ access: claim("access"), id: claim("id"), stored: "stored" }), "stored")
      assert.strictEqual(yield* account({ access: claim("access"), id: claim("id") }), "id")
      assert.strictEqual(yield* account({ access: claim("access"), id: {} }), "access")
      assert.strictEqual(yield* account({ access: { chatgpt_account_id: "top" } }), "top")
      assert.strictEqual(yield* account({ access: { organizations: [{}, { id: "org" }] } }), "org")
      assert.strictEqual(yield* account({ access: {}, id: { organizations: [{ id: "org" }] } }), "org")
    })
  )

  it.effect("says what to do when there is no account id", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Credentials.fromTokens({ accessToken: secret(jwt({})) }))
      assert.deepInclude(error, { _tag: "InvalidToken", reason: "account" })
      assert.include(error.message, "Pass the account id")
    })
  )

  it.effect("shows no secret in any rendering", () =>
    Effect.gen(function* () {
      const token = accessToken({ account: "acc_planted" })
      const credentials = yield* Credentials.fromTokens({ accessToken: secret(token) })
      for (const text of [JSON.stringify(credentials), String(credentials.accessToken), `${credentials.accountId}`]) {
        assert.notInclude(text, "acc_planted")
        assert.notInclude(text, token)
      }
    })
  )

  it.effect("ignores an ID token it cannot read", () =>
    Effect.gen(function* () {
      const credentials = yield* Credentials.fromTokens({
        accessToken: secret(withAccount("access")),
        idToken: secret("broken")
      })
      assert.strictEqual(reveal(credentials.accountId), "access")
    })
  )
})
