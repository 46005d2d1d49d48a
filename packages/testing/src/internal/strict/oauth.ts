/**
 * The endpoints of the login server (protocol A.6, F.3, F.5, F.8 … F.10) over {@link Logins}.
 */
import { asObject, asString, type Json } from "../json.ts"
import type { Subject } from "../jwt.ts"
import * as Logins from "./logins.ts"
import { type Refusal, refuse } from "./refusal.ts"

/** A response that is not an event stream. */
export type Answer = Refusal

/** What the endpoints need besides the logins. */
export interface Context {
  readonly now: number
  readonly lifetimes: Logins.Lifetimes
  readonly clientId: string
  readonly isRedirectUri: (uri: string) => boolean
  readonly deviceLogin: boolean
  /** The origin of this server, such as `https://auth.openai.com`. */
  readonly issuer: string
  readonly subjectOf: (accountId: string) => Subject | undefined
}

/** The decision of the user in the browser. `undefined` if no account is allowed. */
export type Decision = { readonly accountId: string } | { readonly denied: string }

const ok = (body: unknown): Answer => refuse(200, body)

const page = (status: number, text: string): Answer =>
  refuse(status, `<!doctype html><html><body><h1>${text}</h1></body></html>`)

/** The errors of the OAuth standard. */
const oauthError = (error: string, error_description: string): Answer => refuse(400, { error, error_description })

const codedError = (status: number, code: string, message: string): Answer =>
  refuse(status, { error: { message, type: "invalid_request_error", param: null, code } })

const refreshWords: Readonly<Record<Logins.RefreshProblem, string>> = {
  refresh_token_expired: "Your refresh token has expired. Please try signing in again.",
  refresh_token_reused:
    "Your refresh token has already been used to generate a new access token. Please try signing in again.",
  refresh_token_invalidated: "Your refresh token has been revoked. Please try signing in again."
}

const granted = (tokens: Logins.Tokens, { lifetimes }: Context): Answer =>
  ok({
    access_token: tokens.accessToken,
    refresh_token: tokens.refreshToken,
    id_token: tokens.idToken,
    token_type: "Bearer",
    expires_in: Math.floor(lifetimes.access / 1000),
    scope: "openid profile email offline_access"
  })

/** JSON and forms are both accepted. */
export const fieldsOf = (body: unknown): Json =>
  asObject(body) ?? (typeof body === "string" ? Object.fromEntries(new URLSearchParams(body)) : {})

/** `GET /oauth/authorize`: an invalid request gets an error page, a decision of the user a redirect. */
export const authorize = (
  logins: Logins.Logins,
  query: URLSearchParams,
  decide: (workspaces: ReadonlyArray<string> | undefined) => Decision,
  context: Context
): readonly [Answer, Logins.Logins] => {
  const redirectUri = query.get("redirect_uri") ?? ""
  if (query.get("client_id") !== context.clientId) return [page(400, "Unknown client"), logins]
  if (!context.isRedirectUri(redirectUri)) return [page(400, "Invalid redirect_uri"), logins]
  const redirect = (parameters: Record<string, string>): Answer => {
    const url = new URL(redirectUri)
    for (const [key, value] of Object.entries(parameters)) url.searchParams.set(key, value)
    const state = query.get("state")
    if (state !== null) url.searchParams.set("state", state)
    return refuse(302, undefined, { location: url.href })
  }
  const wrong = (description: string) =>
    [redirect({ error: "invalid_request", error_description: description }), logins] as const
  if (query.get("response_type") !== "code") return wrong("response_type must be code")
  if (!/^[\w-]{43}$/.test(query.get("code_challenge") ?? "")) return wrong("code_challenge is missing or malformed")
  if (query.get("code_challenge_method") !== "S256") return wrong("code_challenge_method must be S256")
  if (!(query.get("state") ?? "")) return wrong("state is missing")
  if (!(query.get("scope") ?? "").split(" ").includes("openid")) return wrong("scope must have openid")
  const workspaces = query.get("allowed_workspace_id")?.split(",")
  const decision = decide(workspaces)
  if ("denied" in decision) {
    return [redirect({ error: "access_denied", error_description: decision.denied }), logins]
  }
  const { accountId } = decision
  const challenge = query.get("code_challenge") ?? ""
  const [code, next] = Logins.authorize(logins, { accountId, redirectUri, challenge }, context.now)
  return [redirect({ code, scope: query.get("scope") ?? "" }), next]
}

/** `POST /oauth/token`. `challenge` belongs to the verifier in the request. */
export const token = (
  logins: Logins.Logins,
  body: unknown,
  challenge: string,
  context: Context
): readonly [Answer, Logins.Logins] => {
  const fields = fieldsOf(body)
  const text = (key: string) => asString(fields[key]) ?? ""
  if (text("client_id") !== context.clientId) return [oauthError("invalid_client", "Unknown client"), logins]
  const { lifetimes, now, subjectOf } = context
  switch (text("grant_type")) {
    case "refresh_token": {
      if (text("refresh_token") === "") return [oauthError("invalid_request", "refresh_token is missing"), logins]
      const [result, next] = Logins.refresh(logins, text("refresh_token"), subjectOf, now, lifetimes)
      return [
        typeof result === "string" ? codedError(401, result, refreshWords[result]) : granted(result, context),
        next
      ]
    }
    case "authorization_code": {
      const offered = { code: text("code"), redirectUri: text("redirect_uri"), challenge }
      const [tokens, next] = Logins.exchange(logins, offered, subjectOf, now, lifetimes)
      const invalid = oauthError("invalid_grant", "The code is invalid, expired, used, or of another login")
      return [tokens === undefined ? invalid : granted(tokens, context), next]
    }
    default:
      return [oauthError("unsupported_grant_type", "Use authorization_code or refresh_token"), logins]
  }
}

/** `POST /oauth/revoke`: succeeds for any token, as RFC 7009 requires. */
export const revoke = (logins: Logins.Logins, body: unknown): readonly [Answer, Logins.Logins] => {
  const text = asString(fieldsOf(body)["token"])
  return text === undefined
    ? [oauthError("invalid_request", "token is missing"), logins]
    : [ok({}), Logins.revoke(logins, text)]
}

/** `POST /api/accounts/deviceauth/usercode`. */
export const deviceCode = (
  logins: Logins.Logins,
  body: unknown,
  pkce: { readonly verifier: string; readonly challenge: string },
  context: Context
): readonly [Answer, Logins.Logins] => {
  if (!context.deviceLogin) return [refuse(404, { detail: "Not Found" }), logins]
  if (fieldsOf(body)["client_id"] !== context.clientId) return [oauthError("invalid_client", "Unknown client"), logins]
  const [device, next] = Logins.startDevice(logins, pkce, context.now)
  return [
    ok({
      device_auth_id: device.id,
      user_code: device.userCode,
      interval: String(Logins.pollInterval),
      expires_at: new Date(device.expiresAt).toISOString()
    }),
    next
  ]
}

/** `POST /api/accounts/deviceauth/token`. */
export const deviceToken = (
  logins: Logins.Logins,
  body: unknown,
  context: Context
): readonly [Answer, Logins.Logins] => {
  const fields = fieldsOf(body)
  const offered = {
    id: asString(fields["device_auth_id"]) ?? "",
    userCode: asString(fields["user_code"]) ?? "",
    redirectUri: `${context.issuer}/deviceauth/callback`
  }
  const [polled, next] = Logins.pollDevice(logins, offered, context.now)
  switch (polled) {
    case "pending":
      return [codedError(403, "deviceauth_authorization_pending", "Device authorization is pending."), next]
    case "slow_down":
      return [codedError(403, "slow_down", "Polled too often."), next]
    case "unknown":
      return [codedError(404, "deviceauth_not_found", "There is no such device authorization."), next]
    case "denied":
      return [codedError(400, "access_denied", "The device authorization was denied."), next]
    case "expired":
      return [codedError(400, "expired_token", "The device authorization has expired."), next]
    default:
      return [
        ok({ authorization_code: polled.code, code_challenge: polled.challenge, code_verifier: polled.verifier }),
        next
      ]
  }
}
