/** The examination, with the checks that need Node. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { AuthStore, CodexAuth } from "@effect-codex/auth"
import * as AuthNode from "@effect-codex/auth/node"
import { CodexConfig, type TransportError } from "@effect-codex/transport"
import * as TransportNode from "@effect-codex/transport/node"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Codex from "../Codex.ts"
import * as Doctor from "../Doctor.ts"
import type { DoctorOptions, Options } from "../node.ts"
import { lockHolders } from "./lockHolders.ts"

/** A refresh takes less time than this limit. The caller's setting takes precedence. */
const withShortLockTimeout = (auth: Options["auth"]) => ({
  ...auth,
  lock: { timeLimit: "2 seconds", ...auth?.lock } as const
})

/** Acquires the locks of the stored login once and writes nothing. */
const checkLock = (options: Options["auth"]) =>
  Effect.gen(function* () {
    const token = yield* Config.option(Config.nonEmptyString(CodexAuth.accessTokenVariable))
    if (options?.token !== undefined || Option.isSome(token)) return []
    const store = yield* AuthStore.AuthStore
    yield* store.read
    yield* store.modify((login) => Effect.succeed([undefined, login]))
    return []
  }).pipe(
    Effect.provide(AuthNode.layerStore(withShortLockTimeout(options))),
    Effect.catchTag("LockTimeout", (error) => Effect.succeed([Doctor.fromError(error)])),
    // `examine` finds the other problems of a login
    Effect.orElseSucceed((): ReadonlyArray<Doctor.Finding> => [])
  )

const nameLockHolder = (finding: Doctor.Finding) => {
  const { error } = finding
  if (error?._tag !== "LockTimeout") return Effect.succeed(finding)
  return Effect.map(lockHolders(error.path), (holders): Doctor.Finding => {
    const who = holders.length === 0 ? `another process (\`lsof ${error.path}\` may name it)` : holders.join(", ")
    return {
      ...finding,
      advice: `The lock ${error.path} is held by ${who}. Wait. If it stays locked, end that process.`
    }
  })
}

/** With a proxy, a failure to connect is reported as a proxy problem. */
const attributeToProxy = (finding: Doctor.Finding, proxy: string | undefined): Doctor.Finding =>
  proxy === undefined || !(finding._tag === "Unreachable" || finding._tag === "ProxyFailed")
    ? finding
    : Doctor.finding(
        "ProxyFailed",
        `Requests go through ${proxy}. Check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, or add the host to NO_PROXY. ${finding.advice}`,
        finding.error
      )

export const doctor = ({ turn = false, ...options }: DoctorOptions = {}): Effect.Effect<Doctor.Report> =>
  Effect.gen(function* () {
    const locked = yield* checkLock(options.auth)
    const auth = AuthNode.layer(withShortLockTimeout(options.auth))
    const config = CodexConfig.layerConfig(options.config)
    const report = yield* Effect.gen(function* () {
      const { facts, findings } = yield* turn ? Doctor.examineWithTurn : Doctor.examine
      const proxy = yield* TransportNode.proxyFor(facts.baseUrl ?? "", options.http)
      return {
        facts: proxy === undefined ? facts : { ...facts, proxy },
        findings: findings.map((finding) => attributeToProxy(finding, proxy))
      }
    }).pipe(
      Effect.provide(
        Codex.layerCarrier.pipe(
          Layer.provideMerge(Layer.merge(auth, config)),
          Layer.provide(TransportNode.layer(options.http))
        )
      ),
      Effect.catchAll((error: TransportError.InvalidConfig | ConfigError.ConfigError) =>
        Effect.succeed<Doctor.Report>({
          facts: {},
          findings: [
            error._tag === "InvalidConfig"
              ? Doctor.fromError(error)
              : Doctor.finding("SettingsInvalid", `${error}. See docs/settings.md for the valid values.`)
          ]
        })
      )
    )
    const others = report.findings.filter(({ _tag }) => _tag !== "LockHeld" || locked.length === 0)
    return { ...report, findings: yield* Effect.forEach([...locked, ...others], nameLockHolder) }
  }).pipe(Effect.provide(NodeFileSystem.layer))
