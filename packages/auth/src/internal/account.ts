import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
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
