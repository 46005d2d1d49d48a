/** What only Node finds: locks and who holds them, proxies, certificates, settings. Over real sockets and files. */
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Script, TestAuth } from "@effect-codex/testing"
import { BackendServer, TestCertificate } from "@effect-codex/testing/node"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { ModelCatalogue } from "effect-codex"
import * as CodexNode from "effect-codex/node"

const script = Script.routes({
  "/codex/models": Script.always(Script.status(200, { body: { models: ModelCatalogue.bundled } })),
  "/wham/accounts/check": Script.always(Script.status(200, { body: { accounts: [{ id: "acc_test" }] } }))
})

const auth = { token: { accessToken: Redacted.make(TestAuth.jwt()) } }
const environment = (values: Readonly<Record<string, string>> = {}) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(values))))

const tags = (report: Effect.Effect.Success<ReturnType<typeof CodexNode.doctor>>) =>
  report.findings.map(({ _tag }) => _tag)

const directory = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-codex-doctor-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

describe("doctor on Node", () => {
  it.scopedLive("finds nothing in a healthy system, and reads the server's clock", () =>
    Effect.gen(function* () {
      const { url } = yield* BackendServer.make({ script })
      const report = yield* CodexNode.doctor({ auth, config: { baseUrl: url } })
      assert.deepStrictEqual(report.findings, [])
      assert.isBelow(Math.abs(report.facts.clockAheadMillis ?? Number.NaN), 60_000)
    }).pipe(environment())
  )

  it.scopedLive("finds a certificate that is not trusted", () =>
    Effect.gen(function* () {
      const { url } = yield* BackendServer.make({ script, tls: yield* TestCertificate.make })
      assert.deepStrictEqual(tags(yield* CodexNode.doctor({ auth, config: { baseUrl: url } })), ["CertificateRefused"])
    }).pipe(environment())
  )

  it.live("finds a proxy that does not work, and keeps its password", () =>
    Effect.gen(function* () {
      const report = yield* CodexNode.doctor({ auth, config: { baseUrl: "https://chatgpt.example/backend-api" } })
      assert.deepStrictEqual(tags(report), ["ProxyFailed"])
      assert.strictEqual(report.facts.proxy, "http://127.0.0.1:9")
      assert.include(report.findings[0]?.advice, "http://127.0.0.1:9")
      assert.notInclude(JSON.stringify(report), "canary")
    }).pipe(environment({ HTTPS_PROXY: "http://user:canary@127.0.0.1:9" }))
  )

  it.live("finds a port where nothing listens", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(tags(yield* CodexNode.doctor({ auth, config: { baseUrl: "http://127.0.0.1:9" } })), [
        "Unreachable"
      ])
    }).pipe(environment())
  )

  it.live("finds settings that are not valid", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(tags(yield* CodexNode.doctor({ auth, config: { baseUrl: "nowhere" } })), [
        "SettingsInvalid"
      ])
    }).pipe(environment())
  )

  it.scopedLive("says where it looked for a login", () =>
    Effect.gen(function* () {
      const home = yield* directory
      const report = yield* CodexNode.doctor().pipe(environment({ CODEX_HOME: home }))
      assert.deepStrictEqual(tags(report), ["NotLoggedIn"])
      assert.include(report.findings[0]?.advice, home)
    })
  )

  it.scopedLive.skipIf(process.platform !== "linux")("names the process that holds the lock", () =>
    Effect.gen(function* () {
      const home = yield* directory
      const accessToken = TestAuth.jwt()
      const tokens = {
        access_token: accessToken,
        refresh_token: "rt_canary",
        id_token: accessToken,
        account_id: "acc_test"
      }
      Fs.writeFileSync(
        Path.join(home, "auth.json"),
        JSON.stringify({ tokens, last_refresh: new Date().toISOString() }),
        { mode: 0o600 }
      )
      const lock = Path.join(home, "auth.lock")
      const holder = yield* Effect.acquireRelease(
        Effect.async<ReturnType<typeof spawn>>((resume) => {
          const child = spawn("flock", ["-x", lock, "sh", "-c", "echo locked; read line"], {
            stdio: ["pipe", "pipe", "ignore"]
          })
          child.stdout.once("data", () => resume(Effect.succeed(child)))
        }),
        (child) => Effect.sync(() => child.stdin?.end())
      )
      const { url } = yield* BackendServer.make({ script })
      const report = yield* CodexNode.doctor({
        auth: { lock: { timeLimit: "300 millis" } },
        config: { baseUrl: url }
      }).pipe(environment({ CODEX_HOME: home }))
      assert.deepStrictEqual(tags(report), ["LockHeld"])
      assert.include(report.findings[0]?.advice, lock)
      assert.include(report.findings[0]?.advice, `(process ${holder.pid})`)
      assert.notInclude(JSON.stringify(report), "canary")
    })
  )
})
