/**
 * The accounts of the backend, as it reports them (protocol A.4).
 */
import type { Account } from "../../StrictBackend.ts"
import type { Subject } from "../jwt.ts"
import { detail, type Found, identity, refuse } from "./refusal.ts"

const planOf = (account: Account): string => account.planType ?? "plus"

export const userOf = (account: Account): string => account.userId ?? "user_test"

export const subjectOf = (account: Account): Subject => ({
  accountId: account.id,
  userId: userOf(account),
  email: account.email ?? "test@example.org",
  planType: planOf(account),
  isFedramp: account.isFedramp ?? false
})

/** Whether a request for this account is allowed with this token (protocol E.1). */
export const checkAccount = (asked: string | undefined, own: Account): Found => {
  if (asked !== undefined && asked !== own.id) return detailCode(403, "invalid_workspace_selected")
  if (own.isDeactivated === true) return detailCode(402, "deactivated_workspace")
  return undefined
}

const detailCode = (status: number, code: string) => refuse(status, { detail: { code } })

/** The answer of `/wham/accounts/check`: the accounts of one user. */
export const check = (all: ReadonlyArray<Account>, own: Account): unknown => {
  const accounts = all.filter((account) => userOf(account) === userOf(own))
  return {
    accounts: accounts.map((account) => ({
      id: account.id,
      name: account.name ?? null,
      structure: account.structure ?? "personal",
      plan_type: planOf(account),
      profile_picture_url: null,
      workspace_backend_origin: account.backendOrigin ?? "NO_CONSTRAINT",
      account_routing_override: account.routingOverride ?? "NO_CONSTRAINT",
      is_deactivated: account.isDeactivated ?? false,
      is_fedramp_compliant_workspace: account.isFedramp ?? false,
      can_access_with_session: true,
      sso_connection_name: null
    })),
    account_ordering: accounts.map(({ id }) => id),
    default_account_id: own.id
  }
}

/** The refusal of a request without a valid token. */
export const unauthorized = (reason: "unknown" | "expired" | "revoked"): Found => {
  switch (reason) {
    case "unknown":
      return detail("Unauthorized", 401)
    case "expired":
      return identity(401, "token_expired", "Provided authentication token is expired. Please try signing in again.")
    case "revoked":
      return identity(
        401,
        "token_invalidated",
        "Your authentication token has been invalidated. Please try signing in again."
      )
  }
}
