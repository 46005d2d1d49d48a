/**
 * Diagnoses why turns do not work. Most problems are found without sending a turn.
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
 * All problems that can be found.
 *
 * - `NotLoggedIn`, `LoginExpired`: a login is needed. `LoginUnusable`: the login cannot be read or refreshed.
 * - `LockHeld`: another process keeps the login locked.
 * - `AccountUnusable`: requests do not reach the account or its workspace.
 * - `ModelNotInPlan`: the plan does not include the configured model.
 * - `ClockWrong`: the clock of this computer differs from the server's by more than a minute.
 * - `ProxyFailed`, `CertificateRefused`, `Unreachable`: the connection to the backend. `BackendRefused`: the backend
 *   rejects the requests.
 * - `StreamHeldBack`: the events of a turn arrive all at once, because a proxy buffers them. Only
 *   {@link examineWithTurn} detects it.
 * - `SettingsInvalid`: the settings are invalid.
 *
 * @since 0.1.0
 * @category models
 */
export type Disease = keyof typeof messages

const messages = {
  NotLoggedIn: "There is no login.",
  LoginExpired: "The login has expired.",
  LoginUnusable: "The login cannot be used.",
  LockHeld: "Another process keeps the login locked.",
  AccountUnusable: "The account or its workspace cannot be used.",
  ModelNotInPlan: "The plan does not include the model.",
  ClockWrong: "The clock of this computer is wrong.",
  ProxyFailed: "The proxy does not let requests through.",
  CertificateRefused: "The certificate of the backend is not trusted.",
  Unreachable: "The backend cannot be reached.",
  StreamHeldBack: "A proxy between this computer and the backend buffers streams.",
  BackendRefused: "The backend rejects the requests.",
  SettingsInvalid: "The settings are invalid."
} as const

/**
 * One problem. Its texts never contain secrets.
 *
 * @since 0.1.0
 * @category models
 */
export interface Finding {
  readonly _tag: Disease
  /** What is wrong, in one sentence. */
  readonly message: string
  /** The details, and what to do. */
  readonly advice: string
  /** The error behind the finding, if there is one. */
  readonly error?: CodexError
}

/**
 * Facts collected during the examination. Unknown facts are absent.
 *
 * @since 0.1.0
 * @category models
 */
export interface Facts {
  readonly baseUrl?: string
  /** The configured model. */
  readonly model?: string
  readonly account?: Redacted.Redacted
  readonly planType?: string
  /** When the access token expires, in milliseconds since 1970. */
  readonly expiresAt?: number
  /** How many models the account has, without hidden ones. */
  readonly models?: number
  /** How far the clock of this computer is ahead of the server's, in milliseconds. */
  readonly clockAheadMillis?: number
  /** The proxy of the requests, without user and password. Only `effect-codex/node` reports it. */
  readonly proxy?: string
}

/**
 * The result of an examination. Without problems, `findings` is empty.
 *
 * @since 0.1.0
 * @category models
 */
export interface Report {
  readonly facts: Facts
  readonly findings: ReadonlyArray<Finding>
}

/**
 * Creates a finding with the standard message of its tag.
 *
 * @since 0.1.0
 * @category constructors
 */
export const finding = (_tag: Disease, advice: string, error?: Finding["error"]): Finding =>
  defined({ _tag, message: messages[_tag], advice, error })

const problemOf = (error: CodexError): Disease => {
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
 * Converts an error to a finding, with the error message as advice.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromError = (error: CodexError): Finding => finding(problemOf(error), error.message, error)

/** The finding of an error of the examination. Its own time limits cannot be raised. */
const found = (error: CodexError): Finding =>
  error._tag === "TimedOut" && error.phase === "total" && error.limitMillis !== undefined
    ? finding(
        problemOf(error),
        `There was no complete answer within ${Duration.format(Duration.millis(error.limitMillis))}. Check the network, the proxy and the base URL, or try again later.`,
        error
      )
    : fromError(error)

/** The time limit of each of the two requests. */
const requestTimeLimit = Duration.toMillis("10 seconds")

/** Larger than the resolution of the `date` header (one second) plus the duration of the response. */
const clockTolerance = Duration.toMillis("1 minute")

const checkClock = (ahead: number): ReadonlyArray<Finding> =>
  Math.abs(ahead) <= clockTolerance
    ? []
    : [
        finding(
          "ClockWrong",
          `It is ${Duration.format(Duration.seconds(Math.round(Math.abs(ahead) / 1000)))} ${ahead > 0 ? "ahead of" : "behind"} the server's. Set the clock, or turn on time synchronisation.`
        )
      ]

/**
 * Looks for problems that keep turns from working. It reads the login and requests the models and workspaces of the
 * account. It sends no turn, so it uses no tokens. A token close to expiry is refreshed, as with any request.
 *
 * One problem can hide others: without a login, no request is sent. Fix a problem and run it again. A proxy that
 * buffers streams can only be detected with a turn: see {@link examineWithTurn}.
 *
 * On Node, `doctor` of `effect-codex/node` finds more: the process that holds the lock, proxies, and invalid settings.
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
        deadline: now + requestTimeLimit,
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
    const listed = ModelCatalogue.listed(models)
    facts = { ...facts, models: listed.length }
    if (ModelCatalogue.resolve(models, config.model) === undefined) {
      const names = listed.map(({ slug }) => slug)
      const instead =
        names.length === 0 ? "It has none: check the account and its plan." : `Use one of: ${names.join(", ")}.`
      findings.push(finding("ModelNotInPlan", `The account has no model \`${config.model}\`. ${instead}`))
    }

    yield* Effect.gen(function* () {
      const answer = yield* document(WorkspaceRouting.path)
      const route = yield* WorkspaceRouting.fromAnswer(answer.json, Redacted.value(accountId), config.workspaceDomains)
      if (!config.workspaceRouting && (route.origin !== undefined || route.override !== undefined)) {
        findings.push(
          finding(
            "AccountUnusable",
            "The workspace is served from another host. Turn on the setting `workspaceRouting`."
          )
        )
      }
    }).pipe(
      Effect.catchAll((error) => {
        if (config.workspaceRouting) return Effect.fail(error)
        // without routing, turns do not need this document, but it still shows whether the account belongs to this
        // login
        if (error._tag === "RoutingFailed" && error.reason === "account") {
          const advice =
            "The login does not have the account that requests are sent for. Log in again, to its workspace."
          findings.push(finding("AccountUnusable", advice, error))
        }
        return Effect.void
      })
    )
  }).pipe(Effect.catchAll((error) => Effect.sync(() => findings.push(found(error)))))

  return { facts, findings }
}).pipe(Effect.withSpan("Doctor.examine"))

/**
 * When the events of a turn arrived, in milliseconds after the request. Absent before the first event.
 *
 * @since 0.1.0
 * @category models
 */
export interface ArrivalTimes {
  readonly firstMillis?: number
  readonly lastMillis?: number
}

/**
 * Measures the arrival of the events of one turn.
 *
 * @since 0.1.0
 * @category models
 */
export interface Arrival {
  /** Records the arrival of an event. */
  readonly saw: Effect.Effect<void>
  readonly times: Effect.Effect<ArrivalTimes>
  /** `StreamHeldBack` if all events arrived at once, long after the request. Otherwise empty. */
  readonly findings: Effect.Effect<ReadonlyArray<Finding>>
}

/**
 * The backend sends the first event at once and the others later. A buffering proxy delivers all of them together at
 * the end.
 */
const isHeldBack = ({ firstMillis, lastMillis }: ArrivalTimes) =>
  firstMillis !== undefined &&
  lastMillis !== undefined &&
  firstMillis >= 500 &&
  (lastMillis - firstMillis) * 10 < firstMillis

/**
 * Measures when the events of a turn arrive. Create it just before the request, run `saw` with each event, and read
 * `findings` after the turn.
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
              `All events arrived at once, ${Math.round((times.lastMillis ?? 0) / 100) / 10} s after the request. A proxy, a VPN or a virus scanner buffers the response. Turn buffering off for this host (in nginx: \`proxy_buffering off\`), or bypass the proxy (NO_PROXY).`
            )
          ]
        : []
    )
  }
})

/** The answer is long enough that its events arrive over some time. */
const prompt = "Count from one to forty, in words."

/**
 * Runs {@link examine}. If that finds nothing, it sends one small turn without retries, to check that events arrive one
 * by one. The turn costs some tokens.
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
    prompt,
    timeLimit: "2 minutes",
    config: { retry: { retries: 0, outageRetries: 0 } }
  })
  const findings = yield* Stream.runForEach(turn, () => watch.saw).pipe(
    Effect.zipRight(watch.findings),
    Effect.catchAll((error) => Effect.succeed([found(error)]))
  )
  return { ...report, findings }
}).pipe(Effect.withSpan("Doctor.examineWithTurn"))
