/**
 * What keeps turns from working, found without sending one.
 *
 * @since 0.1.0
 */
import { CodexAuth } from "@effect-codex/auth"
import type * as AuthError from "@effect-codex/auth/AuthError"
import { ModelCatalogue } from "@effect-codex/schema"
import { defined } from "@effect-codex/schema/Defined"
import { CodexConfig, CodexTransport, type TransportError, WorkspaceRouting } from "@effect-codex/transport"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

/**
 * Every disease there is a finding for.
 *
 * - `NotLoggedIn`, `LoginExpired`: a login is needed. `LoginUnusable`: there is one, but it cannot be read or renewed.
 * - `LockHeld`: another process keeps the login locked.
 * - `AccountUnusable`: the account or its workspace is not the one that requests reach.
 * - `ModelNotInPlan`: the plan does not have the model of the settings.
 * - `ClockWrong`: the clock of this computer is more than a minute from the server's.
 * - `ProxyFailed`, `CertificateRefused`, `Unreachable`: the way to the backend. `BackendRefused`: the backend said no.
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
  readonly error?: AuthError.AuthError | TransportError.TransportError
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

const diseaseOf = (error: AuthError.AuthError | TransportError.TransportError): Disease => {
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
export const fromError = (error: AuthError.AuthError | TransportError.TransportError): Finding =>
  finding(diseaseOf(error), error.message, error)

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
 * streams back shows in turns alone, and is not found here.
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
