import { defined } from "@effect-codex/schema/Defined"
import * as Monotonic from "@effect-codex/schema/Monotonic"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import {
  AccountChanged,
  type AuthError,
  type AuthFileUnusable,
  LoginExpired,
  NotLoggedIn,
  RefreshFailed
} from "../AuthError.ts"
import type * as AuthStore from "../AuthStore.ts"
import * as Claims from "../Claims.ts"
import type * as CodexAuth from "../CodexAuth.ts"
import * as Credentials from "../Credentials.ts"
import type { Login } from "../Login.ts"
import * as OAuth from "../OAuth.ts"
import type * as Signals from "../Signals.ts"
import { because } from "./because.ts"

/** Refresh this long before the access token expires (protocol F.4). */
const margin = Duration.toMillis("5 minutes")
/** How long a token without expiry is used after it was obtained (protocol F.4). */
const lifetimeWithoutEnd = Duration.toMillis("8 days")
/**
 * How long a transient error is cached: shorter than the default retries of a request, so that one of them refreshes
 * again.
 */
const failureMemory = Duration.toMillis("3 seconds")
/** How long a refusal is cached: longer than the retries of any request, because it is permanent. */
const refusalMemory = Duration.toMillis("5 minutes")
/** If the backend rejects a recovered token, no further recovery is tried for this long. */
const recoveryMemory = Duration.toMillis("5 minutes")
/** Bounds the memory of exchanged refresh tokens; a file restored by another program is not that many exchanges old. */
const defaultMaxSpent = 1000
/** After a race, the winner writes the file after the loser got its error, so the loser reads it again. */
const lookAgain = Schedule.intersect(Schedule.spaced("400 millis"), Schedule.recurs(5))

/** A login with its decoded credentials. */
interface Session {
  readonly login: Login
  readonly credentials: Credentials.Credentials
  readonly ready: Effect.Effect<Credentials.Credentials>
  /** When to refresh it, by the server's clock. */
  readonly dueAt: number
  /** When its token expires, by the server's clock. */
  readonly endsAt: number
}

/** A cached error. */
interface Remembered {
  readonly refreshToken: Redacted.Redacted
  readonly error: AuthError
  /** A time of `Monotonic`. */
  readonly until: number
}

/** A refresh in progress, shared by all callers. */
interface Renewal {
  /** The result for callers. It fails after the time limit, but the refresh itself may still succeed. */
  readonly outcome: Deferred.Deferred<Session, AuthError>
  fiber: Fiber.Fiber<Session, AuthError> | undefined
}

type IsStale = (session: Session, serverTime: number) => boolean

const same = (a: Redacted.Redacted | undefined, b: Redacted.Redacted | undefined): boolean =>
  (a === undefined ? undefined : Redacted.value(a)) === (b === undefined ? undefined : Redacted.value(b))

const isDue: IsStale = (session, now) => now >= session.dueAt
const isOver: IsStale = (session, now) => now >= session.endsAt

/** The file is valid, but the system does not allow writing it. */
const isUnwritable = (error: AuthError): error is AuthFileUnusable =>
  error._tag === "AuthFileUnusable" && error.operation !== "decode"

const withDueAt = (session: Omit<Session, "ready">): Session => ({
  ...session,
  ready: Exit.succeed(session.credentials)
})

const open = (login: Login) =>
  Effect.map(Credentials.fromTokens(login), (fromTokens): Session => {
    const endsAt = fromTokens.expiresAt ?? login.expiresAt
    return withDueAt({
      login,
      credentials: { ...fromTokens, ...defined({ expiresAt: endsAt }) },
      endsAt: endsAt ?? Number.POSITIVE_INFINITY,
      dueAt:
        endsAt !== undefined
          ? endsAt - margin
          : login.lastRefresh !== undefined
            ? login.lastRefresh + lifetimeWithoutEnd
            : Number.POSITIVE_INFINITY
    })
  })

/** Tokens with a lifetime below the margin are refreshed halfway, not with every request. */
const notDueAtOnce = (session: Session, now: number): Session =>
  withDueAt({ ...session, dueAt: Math.max(session.dueAt, (now + (session.credentials.expiresAt ?? now)) / 2) })

/**
 * Credentials from a store, kept valid. A refresh runs in the scope, not in the fiber of the first caller.
 */
export const make = (options: {
  readonly store: AuthStore.Service
  readonly oauth: OAuth.Service
  readonly signals: Signals.Service
  /** How many exchanged refresh tokens are remembered. */
  readonly maxSpent?: number
}): Effect.Effect<CodexAuth.Service, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { store, oauth, signals, maxSpent = defaultMaxSpent } = options
    const timeLimit = oauth.timeLimit ?? OAuth.defaults.timeLimit

    let current: Session | undefined
    let renewal: Renewal | undefined
    let failure: Remembered | undefined
    /** The token of the last recovery, and its time, of `Monotonic`. */
    let recovered: { readonly accessToken: Redacted.Redacted; readonly at: number } | undefined
    /** When the next refresh before expiry is allowed, a time of `Monotonic`. */
    let nextAttemptAt = Number.NEGATIVE_INFINITY
    /** The last logged message about a failed refresh before expiry, to avoid repeating it. */
    let logged: string | undefined
    /** A refreshed login that is not stored yet. */
    let unsaved: Login | undefined
    /** The latest refresh tokens that this process has exchanged, and the login after the last exchange. */
    const spent: Array<Redacted.Redacted> = []
    let latest: Login | undefined
    /** How far this computer's clock is ahead of the server's. Set once it is known to be wrong. */
    let clockAhead = 0

    const serverTime = Effect.map(Clock.currentTimeMillis, (now) => now - clockAhead)

    /**
     * The login after a refresh. Fields missing from the response keep their values. A new token is valid now: if it
     * seems otherwise, this computer's clock is wrong.
     */
    const rotate = Effect.fnUntraced(function* (old: Login, tokens: Partial<OAuth.Tokens>) {
      const now = yield* Clock.currentTimeMillis
      const { expiresAt: _ended, ...kept } = old
      const claims: Partial<Claims.Claims> = Either.getOrElse(
        Claims.decode(tokens.accessToken ?? old.accessToken),
        () => ({})
      )
      if (tokens.accessToken !== undefined) {
        const { expiresAt, issuedAt } = claims
        const ahead =
          expiresAt !== undefined && expiresAt <= now
            ? now - (issuedAt ?? expiresAt - 2 * margin)
            : Math.min(0, now - (issuedAt ?? now))
        clockAhead = Math.abs(ahead) > margin ? ahead : 0
        if (clockAhead !== 0) {
          yield* Effect.logWarning(
            `The clock of this computer is wrong by about ${Math.round(clockAhead / 60_000)} minutes. The expiry of the login is checked against the server's clock.`
          )
        }
      }
      return { ...kept, ...tokens, lastRefresh: now, ...defined({ expiresAt: claims.expiresAt }) } satisfies Login
    })

    /**
     * The login that replaces a stored one with a spent refresh token: a write failed, or another program has restored
     * an old file.
     */
    const successorOf = ({ refreshToken }: Login): Login | undefined =>
      spent.some((token) => same(token, refreshToken)) ||
      (unsaved !== undefined && same(unsaved.refreshToken, refreshToken))
        ? latest
        : undefined

    /** Writes a login that could not be stored before, unless another process has stored a newer one. */
    const save = Effect.suspend(() => {
      if (unsaved === undefined) return Effect.void
      return store
        .modify((login) => Effect.succeed([undefined, (login && successorOf(login)) ?? login] as const))
        .pipe(
          Effect.zipRight(
            Effect.sync(() => {
              unsaved = undefined
            })
          )
        )
    })

    const openSame = (login: Login) =>
      Effect.filterOrFail(
        open(successorOf(login) ?? login),
        (session) => current === undefined || same(current.credentials.accountId, session.credentials.accountId),
        () => new AccountChanged()
      )

    const load = Effect.tap(Effect.flatMap(store.read, openSame), (session) =>
      Effect.sync(() => {
        current ??= session
      })
    )

    const remember = (refreshToken: Redacted.Redacted) => (error: AuthError) =>
      Effect.map(Monotonic.now, (now) => {
        const until =
          error._tag === "LoginExpired"
            ? Number.POSITIVE_INFINITY
            : now + (error._tag === "RefreshFailed" && !error.isRetryable ? refusalMemory : failureMemory)
        failure = { refreshToken, error, until }
      })

    const failAsRemembered = (refreshToken: Redacted.Redacted) =>
      Effect.flatMap(Monotonic.now, (now) =>
        failure !== undefined && same(failure.refreshToken, refreshToken) && now < failure.until
          ? Effect.fail(failure.error)
          : Effect.void
      )

    /**
     * Sends the refresh token. If the response is not there and stored after the time limit, callers get an error, but
     * it is still used.
     */
    const send = Effect.fnUntraced(function* (
      { login, credentials }: Session,
      refreshToken: Redacted.Redacted,
      reason: OAuth.RefreshReason,
      own: Renewal,
      held: Scope.CloseableScope
    ) {
      const { accessToken, accountId, email, userId } = credentials
      const personal = [accessToken, accountId, email, userId, login.idToken].filter((text) => text !== undefined)
      yield* Scope.extend(signals.hold, held)
      const late = new RefreshFailed({ reason: "timeout" })
      const giveUpWaiting = remember(refreshToken)(late).pipe(
        Effect.zipRight(Deferred.fail(own.outcome, late)),
        Effect.zipRight(Scope.close(held, Exit.void)),
        Effect.delay(timeLimit)
      )
      // Ends with this fiber, which also stores the response.
      yield* Effect.fork(Effect.interruptible(giveUpWaiting))
      const tokens = yield* oauth.refresh(refreshToken, reason, personal).pipe(Effect.tapError(remember(refreshToken)))
      return yield* rotate(login, tokens)
    })

    /** Lock, read, decide, refresh, write. Uninterruptible after the decision. */
    const refreshStored = (isStale: IsStale, reason: OAuth.RefreshReason, own: Renewal) =>
      Effect.gen(function* () {
        const held = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
        return yield* store
          .modify((stored, prepare) =>
            Effect.gen(function* () {
              if (stored === undefined) return yield* new NotLoggedIn({})
              const session = yield* openSame(stored)
              if (!isStale(session, yield* serverTime)) return [session.login, session.login] as const
              const { refreshToken } = session.login
              if (refreshToken === undefined) return yield* new LoginExpired({ reason: "notRefreshable" })
              yield* failAsRemembered(refreshToken)
              yield* prepare
              const login = yield* send(session, refreshToken, reason, own, held)
              // The sent refresh token is invalid from here on, so keep the new one in memory.
              if (!same(login.refreshToken, refreshToken)) spent.push(refreshToken)
              if (spent.length > maxSpent) spent.shift()
              latest = login
              unsaved = login
              return [login, login] as const
            })
          )
          .pipe(
            Effect.tap(() =>
              Effect.sync(() => {
                unsaved = undefined
              })
            ),
            Effect.flatMap((login) =>
              Effect.zipWith(openSame(login), serverTime, (session, now) => notDueAtOnce(session, now))
            ),
            Effect.catchIf(isUnwritable, (error) => keepInMemory(isStale, error))
          )
      }).pipe(Effect.scoped)

    const keepInMemory = (isStale: IsStale, error: AuthFileUnusable) =>
      Effect.gen(function* () {
        if (unsaved === undefined) return yield* error
        const session = yield* openSame(unsaved)
        if (isStale(session, yield* serverTime)) return yield* error
        yield* save.pipe(
          Effect.retry({ times: 3, schedule: Schedule.spaced("250 millis") }),
          Effect.catchAll(() => Effect.logError(`The refreshed login is kept in memory only. ${error.message}`))
        )
        return session
      })

    /** The refresh token was already used. The process that used it may be about to write the next one. */
    const adoptNewer = (expired: LoginExpired, spent: Redacted.Redacted) =>
      Effect.flatMap(store.read, openSame).pipe(
        Effect.filterOrFail(
          (session) => !same(session.login.refreshToken, spent),
          () => expired
        ),
        Effect.retry({ while: (error) => error._tag === "LoginExpired", schedule: lookAgain }),
        Effect.catchAll((error) => Effect.fail(error._tag === "AccountChanged" ? error : expired))
      )

    const attempt = (isStale: IsStale, reason: OAuth.RefreshReason, own: Renewal): Effect.Effect<Session, AuthError> =>
      Effect.gen(function* () {
        yield* Effect.ignore(save)
        const stored = yield* load
        const now = yield* serverTime
        if (!isStale(stored, now)) return stored
        const { refreshToken, accessToken } = stored.login
        if (
          reason === "unauthorized_recovery" &&
          recovered !== undefined &&
          same(recovered.accessToken, accessToken) &&
          (yield* Monotonic.now) < recovered.at + recoveryMemory &&
          !isOver(stored, now)
        ) {
          return yield* new LoginExpired({ reason: "rejected" })
        }
        if (refreshToken === undefined) return yield* new LoginExpired({ reason: "notRefreshable" })
        yield* failAsRemembered(refreshToken)
        const session = yield* refreshStored(isStale, reason, own).pipe(
          Effect.tapErrorTag("LockTimeout", remember(refreshToken)),
          Effect.tapErrorTag("AuthFileUnusable", remember(refreshToken)),
          Effect.catchTag("LoginExpired", (expired) => adoptNewer(expired, refreshToken))
        )
        // A refresh may return only a new refresh token.
        return same(session.login.accessToken, accessToken)
          ? yield* new RefreshFailed({ reason: "answer", status: 200 })
          : session
      })

    /** Records the result of a refresh for later callers. */
    const settle = (own: Renewal) => (exit: Exit.Exit<Session, AuthError>) =>
      Effect.gen(function* () {
        renewal = undefined
        if (Exit.isSuccess(exit)) {
          current = exit.value
          logged = undefined
        } else {
          nextAttemptAt = (yield* Monotonic.now) + failureMemory
          const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
          const isNews = error !== undefined && error.message !== logged
          if (isNews && current !== undefined && !isOver(current, yield* serverTime)) {
            logged = error.message
            yield* Effect.logWarning(`The login could not be refreshed before it expires. ${error.message}`)
          }
        }
        yield* Deferred.done(own.outcome, exit)
      })

    /** Starts a refresh, or joins the one in progress. Run it in an uninterruptible region. */
    const begin = (isStale: IsStale, reason: OAuth.RefreshReason) =>
      Effect.suspend(() => {
        if (renewal !== undefined) return Effect.succeed({ outcome: renewal.outcome, isOwn: false })
        const own: Renewal = { outcome: Deferred.unsafeMake(FiberId.none), fiber: undefined }
        renewal = own
        return Effect.interruptible(attempt(isStale, reason, own)).pipe(
          Effect.onExit(settle(own)),
          // The refresh must complete even if the caller is interrupted.
          Effect.forkDaemon,
          Effect.map((fiber) => {
            own.fiber = fiber
            return { outcome: own.outcome, isOwn: true }
          })
        )
      })

    const renew = (isStale: IsStale, reason: OAuth.RefreshReason): Effect.Effect<Session, AuthError> =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          if (current !== undefined && !isStale(current, yield* serverTime)) return current
          const { isOwn, outcome } = yield* begin(isStale, reason)
          const session = yield* restore(Deferred.await(outcome))
          // The refresh in progress may not cover what this caller needs.
          return isOwn ? session : yield* restore(renew(isStale, reason))
        })
      )

    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        const pending = renewal
        if (pending !== undefined) {
          // After the refresh token was sent, this takes effect only once the next one is stored.
          if (pending.fiber !== undefined) yield* Fiber.interruptFork(pending.fiber)
          yield* Effect.exit(Deferred.await(pending.outcome))
          if (renewal === pending) {
            yield* Effect.logError(
              "The token endpoint did not respond before the program ended. If the next program finds the login expired, log in again."
            )
          }
        }
        yield* Effect.catchAll(save, (error) =>
          Effect.logError(
            `The refreshed login could not be stored and is lost when this program ends. The stored login is no longer valid. Log in again. ${error.message}`
          )
        )
      })
    )

    const refreshAhead = Effect.clockWith((clock) =>
      renewal !== undefined || Monotonic.unsafeNow(clock) < nextAttemptAt
        ? Effect.void
        : Effect.uninterruptible(begin(isDue, "proactive_expiry"))
    )

    const credentials: CodexAuth.Service["credentials"] = Effect.clockWith((clock) => {
      const now = clock.unsafeCurrentTimeMillis() - clockAhead
      if (current === undefined) return Effect.zipRight(load, credentials)
      if (!isDue(current, now)) return current.ready
      return isOver(current, now)
        ? Effect.map(renew(isDue, "proactive_expiry"), (session) => session.credentials)
        : Effect.zipRight(refreshAhead, current.ready)
    })

    return {
      credentials,
      recover: Effect.fn("CodexAuth.recover")(function* (rejected, cause) {
        const isRejected: IsStale = (session, now) =>
          same(session.credentials.accessToken, rejected.accessToken) || isOver(session, now)
        const session = yield* renew(isRejected, "unauthorized_recovery").pipe(
          Effect.mapError((error) =>
            error._tag === "LoginExpired" && (error.reason === "notRefreshable" || error.reason === "rejected")
              ? because(error, cause)
              : error
          )
        )
        recovered = { accessToken: session.credentials.accessToken, at: yield* Monotonic.now }
        return session.credentials
      })
    }
  })
