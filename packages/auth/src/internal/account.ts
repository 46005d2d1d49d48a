import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Claims from "../Claims.ts"
import * as Credentials from "../Credentials.ts"
import type { Login } from "../Login.ts"

const accountOf = (login: Login): string | undefined =>
  Either.match(Credentials.decode(login), {
    onLeft: () => undefined,
    onRight: ({ accountId }) => Redacted.value(accountId)
  })

/** Whether both logins name the same account. */
export const isSameAccount = (a: Login, b: Login): boolean => {
  const account = accountOf(a)
  return account !== undefined && account === accountOf(b)
}

/** Compares logins of one account, if possible by the server's clock. */
export const isNewer = (a: Login, b: Login): boolean => {
  const times = (login: Login) => {
    const claims = Option.getOrUndefined(Either.getRight(Claims.decode(login.accessToken)))
    // The fields after the tokens distinguish a complete text from one with only new tokens.
    return [claims?.issuedAt, claims?.expiresAt, login.expiresAt, login.lastRefresh]
  }
  const others = times(b)
  const first = times(a)
    .map((time, i) => (time ?? Number.NaN) - (others[i] ?? Number.NaN))
    .find((difference) => !Number.isNaN(difference) && difference !== 0)
  return first !== undefined && first > 0
}

/** Whether both logins have the same tokens. */
const isSameLogin = (a: Login, b: Login): boolean =>
  Equal.equals(a.accessToken, b.accessToken) && Equal.equals(a.refreshToken, b.refreshToken)

/**
 * Whether a program without locks has changed the login while this process was about to replace `before` with `next`, so
 * that `next` must not be stored: it has removed the login, or stored one of another account or a newer one.
 */
export const isOvertaken = (before: Login | undefined, now: Login | undefined, next: Login): boolean => {
  if (before === undefined || now === undefined) return before !== now
  return !isSameLogin(before, now) && accountOf(now) !== undefined && (!isSameAccount(now, next) || isNewer(now, next))
}
