import { assert, describe, it } from "@effect/vitest"
import * as Claims from "@effect-codex/auth/Claims"
import * as CodexAuth from "@effect-codex/auth/CodexAuth"
import * as TestAuth from "@effect-codex/testing/TestAuth"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

describe("TestAuth", () => {
  it.effect("makes tokens whose claims can be read", () =>
    Effect.gen(function* () {
      const token = TestAuth.jwt({
        accountId: "acc_1",
        planType: "pro",
        userId: "user_1",
        email: "a@example.org",
        isFedramp: true,
        expiresAt: 1_795_419_765_000
      })
      const claims = yield* Claims.fromToken(Redacted.make(token))
      assert.strictEqual(Redacted.value(claims.accountId ?? Redacted.make("")), "acc_1")
      assert.strictEqual(Redacted.value(claims.email ?? Redacted.make("")), "a@example.org")
      assert.deepInclude(claims, { planType: "pro", isFedramp: true, expiresAt: 1_795_419_765_000 })
    })
  )

  it.effect("can leave the account out", () =>
    Effect.gen(function* () {
      const { credentials } = yield* CodexAuth.CodexAuth
      assert.strictEqual((yield* Effect.flip(credentials))._tag, "InvalidToken")
    }).pipe(Effect.provide(TestAuth.layer({ accountId: null })))
  )

  it.effect("refreshes as often as told, each time with a new token", () =>
    Effect.gen(function* () {
      const auth = yield* CodexAuth.CodexAuth
      const first = yield* auth.credentials
      const second = yield* auth.recover(first)
      assert.notStrictEqual(Redacted.value(second.accessToken), Redacted.value(first.accessToken))
      assert.deepStrictEqual(yield* auth.credentials, second)
      assert.strictEqual((yield* Effect.flip(auth.recover(second)))._tag, "LoginExpired")
      assert.deepStrictEqual(yield* auth.credentials, second)
    }).pipe(Effect.provide(TestAuth.layer({ refreshes: 1 })))
  )
})
