/** Each disease is found by its own finding, and a healthy system has none. */
import { assert, describe, it } from "@effect/vitest"
import * as AuthError from "@effect-codex/auth/AuthError"
import { CodexAuth } from "@effect-codex/auth/CodexAuth"
import { Script, ScriptedBackend, StrictBackend, TestAuth } from "@effect-codex/testing"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Codex, CodexConfig, Doctor, ModelCatalogue } from "effect-codex"
import { requests, run } from "./support.ts"

const accounts = (...all: ReadonlyArray<object>) => Script.always(Script.status(200, { body: { accounts: all } }))
const models = (headers: Readonly<Record<string, string>> = {}) =>
  Script.always(Script.status(200, { headers, body: { models: ModelCatalogue.bundled } }))

const healthy = { "/codex/models": models(), "/wham/accounts/check": accounts({ id: "acc_test" }) }

interface Patient {
  readonly routes?: Readonly<Record<string, Script.Script>>
  readonly config?: CodexConfig.Options
  readonly auth?: Layer.Layer<CodexAuth>
}

const examine = ({ auth = TestAuth.layer(), config, routes }: Patient) =>
  run(Effect.zip(Doctor.examine, requests)).pipe(
    Effect.provide(
      Codex.layer.pipe(
        Layer.provideMerge(Layer.merge(auth, CodexConfig.layer(config))),
        Layer.provideMerge(ScriptedBackend.layer(Script.routes({ ...healthy, ...routes }), { onUnexpected: "answer" }))
      )
    )
  )

const failing = (error: AuthError.AuthError) =>
  Layer.succeed(CodexAuth, { credentials: Effect.fail(error), recover: () => Effect.fail(error) })

const always = (step: Script.Step) => ({ "/codex/models": Script.always(step) })

const patients: Readonly<Record<string, readonly [Doctor.Disease, Patient, RegExp]>> = {
  "no login": [
    "NotLoggedIn",
    { auth: failing(new AuthError.NotLoggedIn({ path: "/x/auth.json" })) },
    /\/x\/auth\.json/
  ],
  "a login that has ended": [
    "LoginExpired",
    { auth: failing(new AuthError.LoginExpired({ reason: "expired" })) },
    /Log in/
  ],
  "a token that is refused": ["LoginExpired", { routes: always(Script.status(401)) }, /Log in/],
  "a file that is not JSON": [
    "LoginUnusable",
    { auth: failing(new AuthError.AuthFileUnusable({ path: "/x", operation: "decode", reason: "json" })) },
    /Repair it/
  ],
  "a lock": [
    "LockHeld",
    { auth: failing(new AuthError.LockTimeout({ path: "/x.lock", waitedMillis: 1000 })) },
    /\/x\.lock/
  ],
  "no account": ["AccountUnusable", { auth: TestAuth.layer({ accountId: null }) }, /account id/],
  "an account of another login": [
    "AccountUnusable",
    { routes: { "/wham/accounts/check": accounts({ id: "acc_other" }) } },
    /Log in again/
  ],
  "a workspace elsewhere": [
    "AccountUnusable",
    { routes: { "/wham/accounts/check": accounts({ id: "acc_test", account_routing_override: "us" }) } },
    /workspaceRouting/
  ],
  "a model that the plan does not have": [
    "ModelNotInPlan",
    { config: { model: "no-such-model" } },
    /no-such-model.*Use one of: gpt-/
  ],
  "a clock that is fast": [
    "ClockWrong",
    // the clock of the test starts at 1970
    { routes: { "/codex/models": models({ date: new Date(-3_600_000).toUTCString() }) } },
    /1h.* ahead of/
  ],
  "a clock that is slow": [
    "ClockWrong",
    { routes: { "/codex/models": models({ date: new Date(3_600_000).toUTCString() }) } },
    /behind/
  ],
  "nothing that listens": ["Unreachable", { routes: always(Script.refuse) }, /base URL/],
  "no answer": ["Unreachable", { routes: always(Script.silence) }, /within 10s\. Check the network/],
  "a gateway that refuses": ["BackendRefused", { routes: always(Script.status(502, { body: "<html>" })) }, /502/]
}

describe("Doctor.examine", () => {
  for (const [name, [disease, patient, advice]] of Object.entries(patients)) {
    it.effect(`finds ${name}, and nothing else`, () =>
      Effect.gen(function* () {
        const [{ findings }, asked] = yield* examine(patient)
        assert.deepStrictEqual(
          findings.map(({ _tag }) => _tag),
          [disease]
        )
        assert.match(findings[0]?.advice ?? "", advice)
        assert.isTrue(asked.every(({ method }) => method === "GET"))
      })
    )
  }

  it.effect("finds nothing in a healthy system, tells what it saw, and sends no turn", () =>
    Effect.gen(function* () {
      const [{ facts, findings }, asked] = yield* examine({
        routes: { "/codex/models": models({ date: new Date(0).toUTCString() }) }
      })
      assert.deepStrictEqual(findings, [])
      assert.deepInclude(facts, { planType: "plus", models: ModelCatalogue.listed(ModelCatalogue.bundled).length })
      assert.isBelow(Math.abs(facts.clockAheadMillis ?? Number.NaN), 60_000)
      assert.deepStrictEqual(
        asked.map(({ method }) => method),
        ["GET", "GET"]
      )
      assert.notInclude(JSON.stringify(facts), "acc_test")
    })
  )

  it.effect("finds nothing at a strict backend", () =>
    Effect.gen(function* () {
      const { findings } = yield* run(Doctor.examine)
      assert.deepStrictEqual(findings, [])
    }).pipe(
      Effect.provide(
        Codex.layer.pipe(
          Layer.provideMerge(Layer.merge(StrictBackend.layerAuth(), CodexConfig.layer())),
          Layer.provide(StrictBackend.layer())
        )
      )
    )
  )

  const withTurn = (turn: Script.Step) => {
    const script = Script.routes({ ...healthy, "/codex/responses": Script.always(turn) })
    return run(Effect.zip(Doctor.examineWithTurn, requests)).pipe(
      Effect.provide(
        Codex.layer.pipe(
          Layer.provideMerge(Layer.merge(TestAuth.layer(), CodexConfig.layer())),
          Layer.provideMerge(ScriptedBackend.layer(script))
        )
      )
    )
  }

  it.effect("a turn shows a proxy that holds streams back", () =>
    Effect.gen(function* () {
      const [{ findings }, asked] = yield* withTurn(
        Script.turn({ text: "one two three" }).pipe(Script.delay("3 seconds"))
      )
      assert.deepStrictEqual(
        findings.map(({ _tag }) => _tag),
        ["StreamHeldBack"]
      )
      assert.match(findings[0]?.advice ?? "", /[34] s after the request\. .*NO_PROXY/)
      assert.deepStrictEqual(
        asked.map(({ method }) => method),
        ["GET", "GET", "POST"]
      )
    })
  )

  it.effect("a turn whose events come one by one shows nothing, slow as it may be to begin", () =>
    Effect.gen(function* () {
      const slow = Script.turn({ text: "one two three" }).pipe(Script.delay("3 seconds"), Script.drip("1 seconds"))
      assert.deepStrictEqual((yield* withTurn(slow))[0].findings, [])
    })
  )

  it.effect("a turn that fails is sent once, and is a finding by itself", () =>
    Effect.gen(function* () {
      const [{ findings }, asked] = yield* withTurn(Script.status(503))
      assert.deepStrictEqual(
        findings.map(({ _tag }) => _tag),
        ["BackendRefused"]
      )
      assert.strictEqual(asked.filter(({ method }) => method === "POST").length, 1)
    })
  )

  it.effect("takes a missing list of workspaces for a disease only where turns need it", () =>
    Effect.gen(function* () {
      const routes = { "/wham/accounts/check": Script.always(Script.status(404)) }
      assert.deepStrictEqual((yield* examine({ routes }))[0].findings, [])
      const [{ findings }] = yield* examine({ routes, config: { workspaceRouting: true } })
      assert.deepStrictEqual(
        findings.map(({ _tag }) => _tag),
        ["BackendRefused"]
      )
    })
  )
})
