/**
 * What keeps turns from working: found without sending one, and what a turn alone can show.
 *
 * @since 0.1.0
 */
import { CodexAuth } from "@effect-codex/auth"
import { ModelCatalogue, Monotonic } from "@effect-codex/schema"
import { defined } from "@effect-codex/schema/Defined"
import { CodexConfig, CodexTransport, WorkspaceRouting } from "@effect-codex/transport"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { Codex } from "./Codex.ts"
import type { CodexError } from "./CodexError.ts"

/**
 * Every disease there is a finding for.
 *
 * - `NotLoggedIn`, `LoginExpired`: a login is needed. `LoginUnusable`: there is one, but it cannot be read or renewed.
 * - `LockHeld`: another process keeps the login locked.
 * - `AccountUnusable`: the account or its workspace is not the one that requests reach.
 * - `ModelNotInPlan`: the plan does not have the model of the settings.
 * - `ClockWrong`: the clock of this computer is more than a minute from the server's.
 * - `ProxyFailed`, `CertificateRefused`, `Unreachable`: the way to the backend. `BackendRefused`: the backend said no.
 * - `StreamHeldBack`: a turn's events come all at once, because a proxy collects them. {@link examineWithTurn} alone finds it.
 * - `SettingsInvalid`: the settings cannot work.
 *
 * @since 0.1.0
 * @category models
 */
export type Disease = keyof typeof sentences

const sentences = {
  NotLoggedIn: "Nobody is logged in.",
  LoginExpired: "The login has expired.",
  LoginUnusable: "The login cannot be used.",
  LockHeld: "Another process keeps the login locked.",
  AccountUnusable: "The account or its workspace cannot be used.",
  ModelNotInPlan: "The plan does not have the model.",
  ClockWrong: "The clock of this computer is wrong.",
  ProxyFailed: "The proxy does not let requests through.",
  CertificateRefused: "The certificate of the backend is not trusted.",
  Unreachable: "The backend cannot be reached.",
  StreamHeldBack: "Something between this computer and the backend holds streams back.",
  BackendRefused: "The backend does not serve the requests.",
  SettingsInvalid: "The settings are not valid."
} as const

/**
 * One disease. No text has a secret in it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Finding {
  readonly _tag: Disease
  /** What is wrong, in one sentence. */
  readonly message: string
  /** The particulars, and what to do. */
  readonly advice: string
  /** What the finding was made from, where that is a failure. */
  readonly error?: CodexError
}

/**
 * What was found out on the way; what could not be found out is absent.
 *
 * @since 0.1.0
 * @category models
 */
export interface Facts {
  readonly baseUrl?: string
  /** The model of the settings. */
  readonly model?: string
  readonly account?: Redacted.Redacted
  readonly planType?: string
  /** When the access token ends, in milliseconds since 1970. */
  readonly expiresAt?: number
  /** How many models the account has. */
  readonly models?: number
  /** How far the clock of this computer is ahead of the server's, in milliseconds. */
  readonly clockAheadMillis?: number
  /** The proxy that requests go through, without its user and password. `effect-codex/node` alone knows it. */
  readonly proxy?: string
}

/**
 * A healthy system has no findings.
 *
 * @since 0.1.0
 * @category models
 */
export interface Report {
  readonly facts: Facts
  readonly findings: ReadonlyArray<Finding>
}

/**
 * A finding with its sentence.
 *
 * @since 0.1.0
 * @category constructors
 */
export const finding = (_tag: Disease, advice: string, error?: Finding["error"]): Finding =>
  defined({ _tag, message: sentences[_tag], advice, error })

const diseaseOf = (error: CodexError): Disease => {
  switch (error._tag) {
    case "NotLoggedIn":
      return "NotLoggedIn"
    case "LoginExpired":
    case "Unauthorized":
      return "LoginExpired"
    case "InvalidToken":
      return error.reason === "account" ? "AccountUnusable" : "LoginUnusable"
    case "AuthFileUnusable":
      return "LoginUnusable"
    case "RefreshFailed":
      return error.reason === "network" || error.reason === "timeout" ? "Unreachable" : "LoginUnusable"
    case "LockTimeout":
      return "LockHeld"
    case "AccountChanged":
    case "RoutingFailed":
      return "AccountUnusable"
    case "ConnectionFailed":
      return error.reason === "tls" ? "CertificateRefused" : error.reason === "proxy" ? "ProxyFailed" : "Unreachable"
    case "TimedOut":
    case "StreamIdle":
      return "Unreachable"
    case "InvalidConfig":
      return "SettingsInvalid"
    default:
      return "BackendRefused"
  }
}

/**
 * The finding that a failure stands for. The message of the failure says what to do.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromError = (error: CodexError): Finding => finding(diseaseOf(error), error.message, error)

/** How long the backend is waited for, for each of the two documents. */
const patience = Duration.toMillis("10 seconds")

/** How wrong a clock may be. The `date` of a response is a second old at the most, and as old as the response took. */
const clockTolerance = Duration.toMillis("1 minute")

const checkClock = (ahead: number): ReadonlyArray<Finding> =>
  Math.abs(ahead) <= clockTolerance
    ? []
    : [
        finding(
          "ClockWrong",
          `It is ${Duration.format(Duration.seconds(Math.round(Math.abs(ahead) / 1000)))} ${ahead > 0 ? "ahead of" : "behind"} the server's. Set it, or turn on its synchronisation.`
        )
      ]

/**
 * Looks for everything that keeps turns from working. It asks for the login, the models and the workspaces of the account,
 * and sends no turn, so it spends no tokens. A login that is due is refreshed, as any request would do.
 *
 * What hides behind a disease shows once that one is cured: without a login the backend is not asked. A proxy that holds
 * streams back shows in a turn alone: {@link examineWithTurn} finds it.
 *
 * On Node `doctor` of `effect-codex/node` finds more: who holds the lock, proxies, and settings that are not valid.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Doctor } from "effect-codex"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const { findings } = yield* Doctor.examine
 *   for (const { advice, message } of findings) yield* Effect.logWarning(message, advice)
 * })
 * ```
 */
export const examine: Effect.Effect<
  Report,
  never,
  CodexAuth.CodexAuth | CodexTransport.CodexTransport | CodexConfig.CodexConfig
> = Effect.gen(function* () {
  const auth = yield* CodexAuth.CodexAuth
  const transport = yield* CodexTransport.CodexTransport
  const config = yield* CodexConfig.CodexConfig
  let facts: Facts = { baseUrl: config.baseUrl, model: config.model }
  const findings: Array<Finding> = []

  const document = (path: `/${string}`, query?: Readonly<Record<string, string>>) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      transport.get(path, {
        ...defined({ query }),
        deadline: now + patience,
        overrides: { retry: { retries: 0, outageRetries: 0 } }
      })
    )

  yield* Effect.gen(function* () {
    const { accountId, expiresAt, planType } = yield* auth.credentials
    facts = { ...facts, ...defined({ account: accountId, expiresAt, planType }) }

    const { json, metadata } = yield* document("/codex/models", { client_version: config.clientVersion })
    if (metadata.date !== undefined) {
      const clockAheadMillis = (yield* Clock.currentTimeMillis) - metadata.date
      facts = { ...facts, clockAheadMillis }
      findings.push(...checkClock(clockAheadMillis))
    }
    const { models } = ModelCatalogue.decode(json)
    facts = { ...facts, models: models.length }
    if (ModelCatalogue.resolve(models, config.model) === undefined) {
      const names = ModelCatalogue.listed(models).map(({ slug }) => slug)
      const instead = names.length === 0 ? "It has none: check the account and its plan." : `Use ${names.join(", ")}.`
      findings.push(finding("ModelNotInPlan", `The account has no model \`${config.model}\`. ${instead}`))
    }

    yield* Effect.gen(function* () {
      const answer = yield* document(WorkspaceRouting.path)
      const route = yield* WorkspaceRouting.fromAnswer(answer.json, Redacted.value(accountId), config.workspaceDomains)
      if (!config.workspaceRouting && (route.origin !== undefined || route.override !== undefined)) {
        findings.push(
          finding(
            "AccountUnusable",
            "The workspace is served from another place. Turn the setting `workspaceRouting` on."
          )
        )
      }
    }).pipe(
      Effect.catchAll((error) => {
        if (config.workspaceRouting) return Effect.fail(error)
        // without routing a turn does not need this document; but an account that is not in it is not of this login
        if (error._tag === "RoutingFailed" && error.reason === "account") {
          const advice =
            "The login does not have the account that requests are sent for. Log in again, to its workspace."
          findings.push(finding("AccountUnusable", advice, error))
        }
        return Effect.void
      })
    )
  }).pipe(Effect.catchAll((error) => Effect.sync(() => findings.push(fromError(error)))))

  return { facts, findings }
}).pipe(Effect.withSpan("Doctor.examine"))

/**
 * When the events of one turn came, in milliseconds after the request; absent until one came.
 *
 * @since 0.1.0
 * @category models
 */
export interface ArrivalTimes {
  readonly firstMillis?: number
  readonly lastMillis?: number
}

/**
 * A watch on one turn.
 *
 * @since 0.1.0
 * @category models
 */
export interface Arrival {
  /** An event has come. */
  readonly saw: Effect.Effect<void>
  readonly times: Effect.Effect<ArrivalTimes>
  /** `StreamHeldBack`, if the events came all at once, long after the request; else nothing. */
  readonly findings: Effect.Effect<ReadonlyArray<Finding>>
}

/** The backend says at once that a turn has begun, and then takes its time; a proxy that waits for the end says both at once. */
const isHeldBack = ({ firstMillis, lastMillis }: ArrivalTimes) =>
  firstMillis !== undefined &&
  lastMillis !== undefined &&
  firstMillis >= 500 &&
  (lastMillis - firstMillis) * 10 < firstMillis

/**
 * Watches when the events of a turn come; begins with the request. Run `saw` with each event, and look at `findings` when
 * the turn is over.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Codex, Doctor } from "effect-codex"
 * import { Effect, Stream } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const codex = yield* Codex.Codex
 *   const arrival = yield* Doctor.arrival
 *   yield* Stream.runForEach(codex.stream({ prompt: "Count to forty." }), () => arrival.saw)
 *   for (const { advice, message } of yield* arrival.findings) yield* Effect.logWarning(message, advice)
 * })
 * ```
 */
export const arrival: Effect.Effect<Arrival> = Effect.map(Monotonic.now, (startedAt) => {
  let times: ArrivalTimes = {}
  return {
    saw: Effect.map(Monotonic.now, (now) => {
      const lastMillis = now - startedAt
      times = { firstMillis: times.firstMillis ?? lastMillis, lastMillis }
    }),
    times: Effect.sync(() => times),
    findings: Effect.sync(() =>
      isHeldBack(times)
        ? [
            finding(
              "StreamHeldBack",
              `All events came at once, ${Math.round((times.lastMillis ?? 0) / 100) / 10} s after the request. A proxy, a VPN or a virus scanner collects the response before it passes it on. Turn that off for this host (in nginx: \`proxy_buffering off\`), or let the host go around it (NO_PROXY).`
            )
          ]
        : []
    )
  }
})

/** Long enough for the backend to need a while for it. */
const longEnough = "Count from one to forty, in words."

/**
 * {@link examine}, and when it finds nothing, one small turn, without retries, to see whether its events come one by one. The turn
 * costs some tokens, so this is only for who asks for it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const examineWithTurn: Effect.Effect<
  Report,
  never,
  Codex | CodexAuth.CodexAuth | CodexTransport.CodexTransport | CodexConfig.CodexConfig
> = Effect.gen(function* () {
  const report = yield* examine
  if (report.findings.length > 0) return report
  const watch = yield* arrival
  const turn = (yield* Codex).stream({
    prompt: longEnough,
    timeLimit: "2 minutes",
    config: { retry: { retries: 0, outageRetries: 0 } }
  })
  const findings = yield* Stream.runForEach(turn, () => watch.saw).pipe(
    Effect.zipRight(watch.findings),
    Effect.catchAll((error) => Effect.succeed([fromError(error)]))
  )
  return { ...report, findings }
}).pipe(Effect.withSpan("Doctor.examineWithTurn"))
