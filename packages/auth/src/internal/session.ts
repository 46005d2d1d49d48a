import { defined } from "@effect-codex/schema/Defined"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import {
  AccountChanged,
  type AuthError,
  type AuthFileUnusable,
  LoginExpired,
  NotLoggedIn,
  RefreshFailed
} from "../AuthError.ts"
import type { AuthStore } from "../AuthStore.ts"
import * as Claims from "../Claims.ts"
import type { CodexAuth } from "../CodexAuth.ts"
import * as Credentials from "../Credentials.ts"
import type { Login } from "../Login.ts"
import type { OAuth, RefreshReason, Tokens } from "../OAuth.ts"

/** Refresh this long before the access token ends (protocol F.4). */
const margin = Duration.toMillis("5 minutes")
/** How long a token without an end is used after it was obtained (protocol F.4). */
const lifetimeWithoutEnd = Duration.toMillis("8 days")
/**
 * A transient failure is answered from memory for this long: less than the default retries of a request last, so that one
 * of them does ask again.
 */
const failureMemory = Duration.toMillis("3 seconds")
/** The winner of a race writes the file after the loser was told; the loser looks again this often. */
const lookAgain = Schedule.intersect(Schedule.spaced("400 millis"), Schedule.recurs(5))

/** A login together with what its tokens say. */
interface Session {
  readonly login: Login
  readonly credentials: Credentials.Credentials
  /** When to refresh it, in the server's time. */
  readonly dueAt: number
}

interface Failure {
  readonly refreshToken: Redacted.Redacted
  readonly error: AuthError
  /** In this computer's time. */
  readonly until: number
}

type IsStale = (session: Session) => Effect.Effect<boolean>

const same = (a: Redacted.Redacted | undefined, b: Redacted.Redacted | undefined): boolean =>
  (a === undefined ? undefined : Redacted.value(a)) === (b === undefined ? undefined : Redacted.value(b))

/** The file itself is in order, only the system does not let it be written. */
const isUnwritable = (error: AuthError): error is AuthFileUnusable =>
  error._tag === "AuthFileUnusable" && error.operation !== "decode"

const open = Effect.fnUntraced(function* (login: Login) {
  const credentials = yield* Credentials.fromTokens(login)
  const expiresAt = credentials.expiresAt ?? login.expiresAt
  const session: Session = {
    login,
    credentials: { ...credentials, ...defined({ expiresAt }) },
    dueAt:
      expiresAt !== undefined
        ? expiresAt - margin
        : login.lastRefresh !== undefined
          ? login.lastRefresh + lifetimeWithoutEnd
          : Number.POSITIVE_INFINITY
  }
  return session
})

/**
 * Credentials from a store, kept valid. The refresh belongs to the scope, not to the caller that asked for it first.
 */
export const make = (options: {
  readonly store: AuthStore.Service
  readonly oauth: OAuth.Service
}): Effect.Effect<CodexAuth.Service, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { store, oauth } = options
    const scope = yield* Effect.scope
    const turn = yield* Effect.makeSemaphore(1)

    let current: Session | undefined
    let failure: Failure | undefined
    /** A rotated login that the store refused to take, and the refresh token it replaces. */
    let unsaved: { readonly login: Login; readonly replaces: Redacted.Redacted | undefined } | undefined
    /** How far this computer's clock is ahead of the server's, once that is known to matter. */
    let clockAhead = 0

    const serverTime = Effect.map(Clock.currentTimeMillis, (now) => now - clockAhead)

    /**
     * The login after a refresh; what the answer leaves out keeps its value. A token that was just handed out is valid
     * now: if it seems otherwise, the clock of this computer is wrong.
     */
    const rotate = Effect.fnUntraced(function* (old: Login, tokens: Partial<Tokens>) {
      const now = yield* Clock.currentTimeMillis
      const { expiresAt: _ended, ...kept } = old
      const claims: Partial<Claims.Claims> = yield* Claims.fromToken(tokens.accessToken ?? old.accessToken).pipe(
        Effect.orElseSucceed(() => ({}))
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
            `The clock of this computer is wrong by about ${Math.round(clockAhead / 60_000)} minutes; the end of the login is judged by the server's clock.`
          )
        }
      }
      return { ...kept, ...tokens, lastRefresh: now, ...defined({ expiresAt: claims.expiresAt }) } satisfies Login
    })

    /** Writes a login that could not be written before, unless somebody else has moved on. */
    const save = Effect.suspend(() => {
      const pending = unsaved
      if (pending === undefined) return Effect.void
      return store
        .modify((login) =>
          Effect.succeed([undefined, same(login?.refreshToken, pending.replaces) ? pending.login : login] as const)
        )
        .pipe(
          Effect.zipRight(
            Effect.sync(() => {
              unsaved = undefined
            })
          )
        )
    })
    yield* Effect.addFinalizer(() => Effect.ignore(save))

    const newest = (stored: Login): Login =>
      unsaved !== undefined && same(stored.refreshToken, unsaved.replaces) ? unsaved.login : stored

    const sameAccount = (session: Session) =>
      current === undefined || same(current.credentials.accountId, session.credentials.accountId)
        ? Effect.succeed(session)
        : Effect.fail(new AccountChanged())

    const openSame = (login: Login) => Effect.flatMap(open(newest(login)), sameAccount)

    const remember = (refreshToken: Redacted.Redacted) => (error: LoginExpired | RefreshFailed) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        failure = {
          refreshToken,
          error,
          until: error._tag === "LoginExpired" ? Number.POSITIVE_INFINITY : now + failureMemory
        }
      })

    const remembered = (refreshToken: Redacted.Redacted) =>
      Effect.map(Clock.currentTimeMillis, (now) =>
        failure !== undefined && same(failure.refreshToken, refreshToken) && now < failure.until
          ? failure.error
          : undefined
      )

    /** Tokens that live for less than the margin are refreshed halfway, not with every request. */
    const notDueAtOnce = (session: Session) =>
      Effect.map(serverTime, (now): Session => {
        const halfway = (now + (session.credentials.expiresAt ?? now)) / 2
        return { ...session, dueAt: Math.max(session.dueAt, halfway) }
      })

    /** Lock, read, decide, refresh, write. The store lets nobody interrupt it from the decision on. */
    const refreshStored = (isStale: IsStale, reason: RefreshReason) => {
      const change = Effect.fnUntraced(function* (stored: Login | undefined) {
        if (stored === undefined) return yield* new NotLoggedIn({})
        const session = yield* openSame(stored)
        if (!(yield* isStale(session))) return [session.login, session.login] as const
        const { refreshToken } = session.login
        if (refreshToken === undefined) return yield* new LoginExpired({ reason: "notRefreshable" })
        const known = yield* remembered(refreshToken)
        if (known !== undefined) return yield* known
        const tokens = yield* oauth.refresh(refreshToken, reason).pipe(Effect.tapError(remember(refreshToken)))
        const login = yield* rotate(session.login, tokens)
        // The stored refresh token is worthless from here on: the new one must survive whatever happens to the write.
        unsaved = { login, replaces: stored.refreshToken }
        return [login, login] as const
      })
      return store.modify(change).pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            unsaved = undefined
          })
        ),
        Effect.flatMap((login) => Effect.flatMap(openSame(login), notDueAtOnce)),
        Effect.catchIf(isUnwritable, (error) => keepInMemory(isStale, error))
      )
    }

    const keepInMemory = (isStale: IsStale, error: AuthFileUnusable) =>
      Effect.gen(function* () {
        if (unsaved === undefined) return yield* error
        const session = yield* openSame(unsaved.login)
        if (yield* isStale(session)) return yield* error
        yield* save.pipe(
          Effect.retry({ times: 3, schedule: Schedule.spaced("250 millis") }),
          Effect.catchAll(() => Effect.logError(`The refreshed login is kept in memory only. ${error.message}`))
        )
        return session
      })

    /** The token endpoint says that our refresh token is over: whoever used it first may be about to write the next one. */
    const adoptNewer = (expired: LoginExpired, spent: Redacted.Redacted) =>
      Effect.flatMap(store.read, openSame).pipe(
        Effect.filterOrFail(
          (session) => !same(session.login.refreshToken, spent),
          () => expired
        ),
        Effect.retry({ while: (error) => error._tag === "LoginExpired", schedule: lookAgain }),
        Effect.catchAll((error) => Effect.fail(error._tag === "AccountChanged" ? error : expired))
      )

    const renew = (isStale: IsStale, reason: RefreshReason) =>
      Effect.gen(function* () {
        if (current !== undefined && !(yield* isStale(current))) return current
        yield* Effect.ignore(save)
        const stored = yield* Effect.flatMap(store.read, openSame)
        current ??= stored
        if (!(yield* isStale(stored))) return stored
        const { refreshToken, accessToken } = stored.login
        if (refreshToken === undefined) return yield* new LoginExpired({ reason: "notRefreshable" })
        const known = yield* remembered(refreshToken)
        if (known !== undefined) return yield* known
        const session = yield* refreshStored(isStale, reason).pipe(
          Effect.catchTag("LoginExpired", (expired) => adoptNewer(expired, refreshToken))
        )
        // A refresh may answer with the next refresh token only.
        return same(session.login.accessToken, accessToken)
          ? yield* new RefreshFailed({ reason: "answer", status: 200 })
          : session
      }).pipe(
        Effect.tap((session) =>
          Effect.sync(() => {
            current = session
          })
        ),
        turn.withPermits(1),
        // The caller may go away, the rotated token may not.
        Effect.interruptible,
        Effect.forkIn(scope),
        Effect.flatMap(Fiber.join)
      )

    const isDue: IsStale = (session) => Effect.map(serverTime, (now) => now >= session.dueAt)
    const isOver: IsStale = (session) =>
      Effect.map(serverTime, (now) => now >= (session.credentials.expiresAt ?? Number.POSITIVE_INFINITY))

    /** A login that only should be refreshed soon still does for this request. */
    const unlessStillValid = (error: AuthError) =>
      Effect.gen(function* () {
        if (current === undefined || error._tag === "AccountChanged" || error._tag === "NotLoggedIn") {
          return yield* error
        }
        if (yield* isOver(current)) return yield* error
        yield* Effect.logWarning(`The login could not be refreshed ahead of time. ${error.message}`)
        return current
      })

    return {
      credentials: Effect.gen(function* () {
        if (current !== undefined && !(yield* isDue(current))) return current.credentials
        const session = yield* Effect.catchAll(renew(isDue, "proactive_expiry"), unlessStillValid)
        return session.credentials
      }),
      recover: Effect.fn("CodexAuth.recover")(function* (rejected) {
        const isRejected: IsStale = (session) =>
          same(session.credentials.accessToken, rejected.accessToken) ? Effect.succeed(true) : isOver(session)
        const { credentials } = yield* renew(isRejected, "unauthorized_recovery")
        return credentials
      })
    }
  })
