/** What the strict backend keeps about accounts: limits that fill and end, workspaces, the catalogue. */
import { assert, describe, it } from "@effect/vitest"
import * as ModelCatalogue from "@effect-codex/schema/ModelCatalogue"
import * as RateLimits from "@effect-codex/schema/RateLimits"
import * as Script from "@effect-codex/testing/Script"
import * as StrictBackend from "@effect-codex/testing/StrictBackend"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { body, credentials, get, type Json, post } from "./support.ts"

const hours = (n: number) => n * 3_600_000

describe("limits", () => {
  const limits = { primary: { minutes: 300, tokens: 1000 }, secondary: { minutes: 10_080, tokens: 10_000 } }
  const script = Script.always(Script.turn({ text: "Hi", usage: { inputTokens: 390, outputTokens: 10 } }))
  const layer = StrictBackend.layer({ accounts: [{ id: "acc_a", limits }, { id: "acc_b" }], script })
  const snapshot = (headers: Record<string, string | undefined>) =>
    Effect.map(Clock.currentTimeMillis, (now) => RateLimits.fromHeaders(headers, now))

  it.effect("fill with what turns cost, refuse when they are full, and start over when they end", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(hours(1000))
      const headers = yield* credentials()
      const fresh = yield* post(body(), headers)
      assert.deepInclude(RateLimits.window((yield* snapshot(fresh.headers)) ?? { limits: [] }, 300), { usedPercent: 0 })
      yield* TestClock.adjust("1 hour")
      const second = yield* snapshot((yield* post(body(), headers)).headers)
      assert.deepStrictEqual(second?.limits, [
        {
          limitId: "codex",
          windows: [
            { usedPercent: 40, windowMinutes: 300, resetsAt: hours(1005) },
            { usedPercent: 4, windowMinutes: 10_080, resetsAt: hours(1000 + 168) }
          ]
        }
      ])
      assert.deepInclude(second, { planType: "plus", activeLimit: "codex" })
      assert.strictEqual((yield* post(body(), headers)).status, 200)

      const refused = yield* post(body(), headers)
      assert.strictEqual(refused.status, 429)
      assert.deepStrictEqual(refused.json["error"], {
        type: "usage_limit_reached",
        message: "The usage limit has been reached",
        plan_type: "plus",
        resets_at: 1005 * 3600,
        resets_in_seconds: 4 * 3600,
        limit_window_minutes: 300,
        eligible_promo: null
      })
      assert.strictEqual(refused.headers["x-codex-primary-used-percent"], "120")
      // another account has its own
      assert.strictEqual((yield* post(body(), yield* credentials("acc_b"))).status, 200)

      yield* TestClock.adjust("4 hours")
      const after = yield* post(body(), headers)
      assert.strictEqual(after.status, 200)
      assert.strictEqual(after.headers["x-codex-primary-used-percent"], "0")
      assert.strictEqual(after.headers["x-codex-secondary-used-percent"], "12")
    }).pipe(Effect.provide(layer))
  )

  it.effect("are told by /wham/usage as by the headers", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(hours(1000))
      const headers = yield* credentials()
      yield* post(body(), headers)
      const now = yield* Clock.currentTimeMillis
      const usage = (yield* get("/wham/usage", headers)).json
      const answered = yield* snapshot((yield* post(body(), headers)).headers)
      const told = RateLimits.fromUsage(usage, now).limits
      assert.deepStrictEqual(
        told.map(({ limitId, windows }) => ({ limitId, windows })),
        answered?.limits.map(({ limitId, windows }) => ({ limitId, windows }))
      )
      assert.deepNestedInclude(usage, { "rate_limit.allowed": true, "rate_limit.limit_reached": false })
    }).pipe(Effect.provide(layer))
  )

  it.effect("can be filled by the test, and the clock put forward", () =>
    Effect.gen(function* () {
      const backend = yield* StrictBackend.StrictBackend
      const headers = yield* credentials()
      yield* backend.fillWindow("secondary", 100)
      const refused = yield* post(body(), headers)
      assert.strictEqual(refused.status, 429)
      assert.deepNestedInclude(refused.json, { "error.limit_window_minutes": 10_080 })
      yield* backend.elapse("7 days")
      assert.strictEqual((yield* post(body(), headers)).status, 200)
      assert.strictEqual((yield* Effect.flip(backend.fillWindow("primary", 1, "acc_z")))._tag, "UnknownAccount")
    }).pipe(Effect.provide(layer))
  )

  it.effect("count what was sent, not what was cut off", () =>
    Effect.gen(function* () {
      const headers = yield* credentials()
      yield* post(body(), headers)
      assert.strictEqual((yield* post(body(), headers)).headers["x-codex-primary-used-percent"], "0")
    }).pipe(
      Effect.provide(
        StrictBackend.layer({
          accounts: [{ id: "acc_a", limits }],
          script: Script.always(
            Script.turn({ text: "Hi", usage: { inputTokens: 400 } }).pipe(Script.truncateAfterEvents(4))
          )
        })
      )
    )
  )

  it.effect("of a workspace are the workspace's, and a plan may have no Codex or one window only", () =>
    Effect.gen(function* () {
      const backend = yield* StrictBackend.StrictBackend
      yield* backend.fillWindow("primary", 100, "acc_team")
      const team = yield* post(body(), yield* credentials("acc_team"))
      assert.strictEqual(team.headers["x-codex-rate-limit-reached-type"], "workspace_member_usage_limit_reached")
      const usage = (yield* get("/wham/usage", yield* credentials("acc_team"))).json
      assert.deepNestedInclude(usage, {
        "rate_limit.allowed": false,
        "rate_limit.limit_reached": true,
        "rate_limit_reached_type.type": "workspace_member_usage_limit_reached"
      })
      const free = yield* post(body(), yield* credentials("acc_free"))
      assert.strictEqual(free.status, 429)
      assert.deepInclude(free.json["error"], { type: "usage_not_included", plan_type: "free" })
      const pro = yield* get("/wham/usage", yield* credentials("acc_pro"))
      assert.deepNestedInclude(pro.json, {
        "rate_limit.primary_window.limit_window_seconds": 604_800,
        "rate_limit.secondary_window": null
      })
    }).pipe(
      Effect.provide(
        StrictBackend.layer({
          accounts: [
            { id: "acc_team", planType: "team", structure: "workspace" },
            { id: "acc_free", planType: "free", hasCodex: false },
            { id: "acc_pro", planType: "pro", limits: { primary: { minutes: 10_080, tokens: 1 }, secondary: null } }
          ]
        })
      )
    )
  )
})

describe("workspaces", () => {
  it.effect("are all of one user, and say where they are served", () =>
    Effect.gen(function* () {
      const { json } = yield* get("/wham/accounts/check", yield* credentials("acc_eu"))
      assert.deepStrictEqual(json["account_ordering"], ["acc_own", "acc_eu"])
      assert.strictEqual(json["default_account_id"], "acc_eu")
      const [own, eu] = json["accounts"] as ReadonlyArray<Json>
      assert.deepInclude(own, {
        id: "acc_own",
        structure: "personal",
        workspace_backend_origin: "NO_CONSTRAINT",
        account_routing_override: "NO_CONSTRAINT"
      })
      assert.deepInclude(eu, {
        name: "Acme",
        structure: "workspace",
        plan_type: "business",
        workspace_backend_origin: "https://eu.example.org",
        account_routing_override: "us_cr"
      })
    }).pipe(
      Effect.provide(
        StrictBackend.layer({
          accounts: [
            { id: "acc_own" },
            {
              id: "acc_eu",
              name: "Acme",
              structure: "workspace",
              planType: "business",
              backendOrigin: "https://eu.example.org",
              routingOverride: "us_cr"
            },
            { id: "acc_other", userId: "user_2" }
          ]
        })
      )
    )
  )

  it.effect("have their endpoints under /api/codex where the base URL has no /backend-api", () =>
    Effect.gen(function* () {
      const headers = yield* credentials()
      for (const path of ["usage", "accounts/check"]) {
        assert.strictEqual((yield* get(`/api/codex/${path}`, headers, "https://codex.example.org")).status, 200)
      }
    }).pipe(Effect.provide(StrictBackend.layer()))
  )
})

describe("the catalogue", () => {
  const slugs = (json: Json) => (json["models"] as ReadonlyArray<Json>).map((model) => model["slug"])

  it.effect("is this library's by default, under an ETag that every turn names", () =>
    Effect.gen(function* () {
      const headers = yield* credentials()
      const answer = yield* get("/codex/models?client_version=0.169.0", headers)
      assert.deepStrictEqual(ModelCatalogue.decode(answer.json).models, ModelCatalogue.bundled)
      const { etag } = answer.headers
      assert.match(etag ?? "", /^W\/"\w+"$/)
      assert.strictEqual((yield* post(body(), headers)).headers["x-models-etag"], etag)
      const same = yield* get("/codex/models?client_version=0.169.0", { ...headers, "if-none-match": etag ?? "" })
      assert.deepInclude(same, { status: 304, text: "" })
    }).pipe(Effect.provide(StrictBackend.layer()))
  )

  it.effect("has another ETag once another one is published", () =>
    Effect.gen(function* () {
      const backend = yield* StrictBackend.StrictBackend
      const headers = yield* credentials()
      const before = (yield* get("/codex/models?client_version=0.169.0", headers)).headers["etag"]
      yield* backend.publish([{ slug: "gpt-7" }])
      const after = yield* get("/codex/models?client_version=0.169.0", headers)
      assert.deepStrictEqual(slugs(after.json), ["gpt-7"])
      assert.notStrictEqual(after.headers["etag"], before)
      assert.strictEqual((yield* post(body({ model: "gpt-5.5" }), headers)).status, 404)
      assert.strictEqual((yield* post(body({ model: "gpt-7" }), headers)).status, 200)
    }).pipe(Effect.provide(StrictBackend.layer()))
  )

  it.effect("is as long as the client is new and the plan is large", () =>
    Effect.gen(function* () {
      const headers = yield* credentials()
      const seen = (version: string) =>
        Effect.map(get(`/codex/models?client_version=${version}`, headers), ({ json }) => slugs(json))
      assert.deepStrictEqual(yield* seen("0.169.0"), ["old", "new", "newer"])
      assert.deepStrictEqual(yield* seen("0.150.9"), ["old", "new"])
      assert.deepStrictEqual(yield* seen("0.99.0"), ["old"])
      assert.deepStrictEqual(yield* seen("dev"), ["old"])
      const missing = yield* get("/codex/models", headers)
      assert.strictEqual(missing.status, 422)
      assert.deepInclude((missing.json["detail"] as ReadonlyArray<Json>)[0], { loc: ["query", "client_version"] })
    }).pipe(
      Effect.provide(
        StrictBackend.layer({
          models: [
            { slug: "old" },
            { slug: "new", minimal_client_version: "0.100.0" },
            { slug: "newer", minimal_client_version: [0, 151, 0] },
            { slug: "pro", available_in_plans: ["pro"] }
          ]
        })
      )
    )
  )
})
