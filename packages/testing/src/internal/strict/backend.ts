/**
 * The state of a strict backend, and its decision about a request: a response of the backend itself, or a turn that the
 * model answers.
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type * as Script from "../../Script.ts"
import type { Account } from "../../StrictBackend.ts"
import * as Invented from "../invented.ts"
import { asObject, asString, type Json } from "../json.ts"
import type { Subject } from "../jwt.ts"
import * as Accounts from "./accounts.ts"
import * as Catalogue from "./catalogue.ts"
import * as Logins from "./logins.ts"
import * as OAuth from "./oauth.ts"
import { firstOf, type Refusal, refuse } from "./refusal.ts"
import * as RequestChecks from "./requestChecks.ts"
import * as Usage from "./usage.ts"

export interface Settings {
  readonly accounts: ReadonlyArray<Account>
  readonly instructionsRequired: boolean
  readonly deviceLogin: boolean
  readonly lifetimes: Logins.Lifetimes
  readonly isRedirectUri: (uri: string) => boolean
}

export interface State {
  readonly logins: Logins.Logins
  readonly used: HashMap.HashMap<string, Usage.Used>
  /** Which account each encrypted content was issued to. */
  readonly issued: HashMap.HashMap<string, string>
  readonly models: ReadonlyArray<Json>
  /** How far the backend's clock is ahead, in milliseconds. */
  readonly ahead: number
  /** What the user in the browser does next. */
  readonly nextLogin: OAuth.Decision | undefined
}

/** The PKCE pair of the request: a new one, or the challenge of the verifier in the request. */
export interface Pkce {
  readonly verifier: string
  readonly challenge: string
}

export type Outcome =
  | { readonly _tag: "Answer"; readonly answer: Refusal; readonly headers: Readonly<Record<string, string>> }
  | { readonly _tag: "Refused"; readonly answer: Refusal; readonly headers: Readonly<Record<string, string>> }
  | {
      readonly _tag: "Turn"
      readonly account: Account
      readonly headers: Readonly<Record<string, string>>
      /** Sent in headers over HTTP, and in events over a WebSocket. */
      readonly events: ReadonlyArray<Json>
    }

/** The decision about a handshake. */
export type Door = { readonly refused: Refusal | undefined; readonly headers: Readonly<Record<string, string>> }

const clientId = "app_EMoamEEZ73f0CkXaXp7hrann"

export const usedOf = (state: State, account: Account): Usage.Used =>
  Option.getOrElse(HashMap.get(state.used, account.id), () => ({}))

const notFound = refuse(404, { detail: "Not Found" })

const notAllowed = (allow: string): Refusal => refuse(405, { detail: "Method Not Allowed" }, { allow })

/** Requests that the network edge refuses. */
const blocked = refuse(
  403,
  "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head><body><h1>Sorry, you have been blocked</h1></body></html>",
  { "cf-mitigated": "block" }
)

const isSuspicious = (userAgent: string | undefined): boolean =>
  userAgent === undefined || userAgent === "" || /^(?:curl|wget|python-requests)\b/i.test(userAgent)

/** The end of the path, which identifies the endpoint with both kinds of base URL (protocol A). */
const endpointOf = (path: string): string => {
  const inBackend = /\/backend-api(\/.*)$/.exec(path)?.[1]
  if (inBackend !== undefined) return inBackend
  const inApi = /\/api\/codex\/(usage|accounts\/check)$/.exec(path)?.[1]
  return inApi === undefined ? path.replace(/\/+$/, "") : `/wham/${inApi}`
}

/** Headers of all responses. */
const common = (state: State, which: number | string): Readonly<Record<string, string>> => ({
  "x-request-id": `req_${Invented.letters(`${state.logins.salt}/request/${which}`, 24)}`,
  "cf-ray": `${Invented.letters(`${state.logins.salt}/ray/${which}`, 16).toLowerCase()}-PRG`,
  server: "cloudflare"
})

/** The account of the request, or the refusal. */
const authenticate = (settings: Settings, state: State, request: Script.Request, now: number): Account | Refusal => {
  const token = /^Bearer (\S+)$/i.exec(request.headers["authorization"] ?? "")?.[1]
  const owner = token === undefined ? "unknown" : Logins.verify(state.logins, token, now)
  const refused = typeof owner === "string" ? Accounts.unauthorized(owner) : undefined
  const account =
    typeof owner === "string" ? undefined : settings.accounts.find((account) => account.id === owner.accountId)
  if (account === undefined) return refused ?? refuse(401, { detail: "Unauthorized" })
  return Accounts.checkAccount(request.headers["chatgpt-account-id"], account) ?? account
}

const isRefusal = (value: Account | Refusal): value is Refusal => "status" in value

/** The ETag covers all models of the account, for any client version. It says whether an earlier list is still valid. */
const etagOf = (state: State, account: Account): string =>
  `W/"${Invented.letters(JSON.stringify(state.models.filter(Catalogue.isAvailable(account))), 16)}"`

const turn = (settings: Settings, state: State, request: Script.Request, account: Account, now: number) => {
  const encoding = request.headers["content-encoding"]
  return firstOf(
    () => Usage.check(account, usedOf(state, account), now),
    () =>
      encoding !== undefined && typeof request.body === "string"
        ? refuse(415, { detail: `Unsupported content encoding: ${encoding}` })
        : undefined,
    () =>
      RequestChecks.check(request.body, {
        models: state.models,
        isAvailable: Catalogue.isAvailable(account),
        instructionsRequired: settings.instructionsRequired,
        isMine: (content) => Option.contains(HashMap.get(state.issued, content), account.id),
        overSocket: request.message !== undefined
      })
  )
}

const codex = (settings: Settings, state: State, request: Script.Request, endpoint: string, now: number): Outcome => {
  const headers = common(state, request.number)
  const answer = (answer: Refusal, more: Readonly<Record<string, string>> = {}): Outcome => ({
    _tag: "Answer",
    answer,
    headers: { ...headers, ...more }
  })
  const refused = (answer: Refusal, more: Readonly<Record<string, string>> = {}): Outcome => ({
    _tag: "Refused",
    answer,
    headers: { ...headers, ...more }
  })
  if (isSuspicious(request.headers["user-agent"])) return refused(blocked)
  const method = endpoint === "/codex/responses" ? "POST" : "GET"
  if (request.method !== method) return refused(notAllowed(method))
  const account = authenticate(settings, state, request, now)
  if (isRefusal(account)) return refused(account)
  const used = usedOf(state, account)
  const limits = Usage.headers(account, used, now)
  switch (endpoint) {
    case "/wham/usage":
      return answer(refuse(200, Usage.report(account, used, now)))
    case "/wham/accounts/check":
      return answer(refuse(200, Accounts.check(settings.accounts, account)))
    case "/codex/models": {
      const version = request.query["client_version"]
      if (version === undefined) {
        const problem = { type: "missing", loc: ["query", "client_version"], msg: "Field required", input: null }
        return refused(refuse(422, { detail: [problem] }))
      }
      const etag = etagOf(state, account)
      return request.headers["if-none-match"] === etag
        ? answer(refuse(304, undefined), { etag })
        : answer(refuse(200, { models: Catalogue.visible(state.models, account, version) }), { etag })
    }
    default: {
      const found = turn(settings, state, request, account, now)
      if (found !== undefined) return refused(found, limits)
      const overSocket = request.message !== undefined
      const turnState = overSocket
        ? asObject(asObject(request.body)?.["client_metadata"])?.["x-codex-turn-state"]
        : request.headers["x-codex-turn-state"]
      const own = {
        "openai-model": request.model ?? "",
        "x-models-etag": etagOf(state, account),
        "x-reasoning-included": "true",
        // sent to the first request of a turn; the other requests of the turn return it (protocol B.5)
        ...(turnState === undefined
          ? { "x-codex-turn-state": `ts_${Invented.letters(`${state.logins.salt}/turn/${request.number}`, 32)}` }
          : {})
      }
      return {
        _tag: "Turn",
        account,
        headers: { ...headers, ...limits, ...own },
        events: overSocket ? [Usage.event(account, used, now), { type: "response.metadata", headers: own }] : []
      }
    }
  }
}

/** Whether a WebSocket can be opened. According to public reports, the backend checks no other header (protocol H.2). */
export const door = (settings: Settings, state: State, request: Script.Request, socket: number): Door => {
  const headers = common(state, `socket/${socket}`)
  if (endpointOf(request.path) !== "/codex/responses") return { refused: notFound, headers }
  if (isSuspicious(request.headers["user-agent"])) return { refused: blocked, headers }
  const account = authenticate(settings, state, request, request.receivedAt + state.ahead)
  return isRefusal(account)
    ? { refused: account, headers }
    : { refused: undefined, headers: { ...headers, "x-models-etag": etagOf(state, account) } }
}

/** The decision of the user at the authorize endpoint. */
const decide = (settings: Settings, state: State, workspaces: ReadonlyArray<string> | undefined): OAuth.Decision => {
  if (state.nextLogin !== undefined) return state.nextLogin
  const account = settings.accounts.find(({ id }) => workspaces?.includes(id) ?? true)
  return account === undefined ? { denied: "None of your workspaces is allowed here" } : { accountId: account.id }
}

const login = (
  settings: Settings,
  state: State,
  request: Script.Request,
  pkce: Pkce,
  now: number
): readonly [Refusal, State] | undefined => {
  const { body, method, url } = request
  const { origin, pathname, searchParams } = new URL(url)
  const context: OAuth.Context = {
    now,
    lifetimes: settings.lifetimes,
    clientId,
    isRedirectUri: settings.isRedirectUri,
    deviceLogin: settings.deviceLogin,
    issuer: origin,
    subjectOf: (accountId): Subject | undefined => {
      const account = settings.accounts.find(({ id }) => id === accountId)
      return account === undefined ? undefined : Accounts.subjectOf(account)
    }
  }
  const { logins } = state
  const endpoints: Readonly<Record<string, readonly [string, () => readonly [Refusal, Logins.Logins]]>> = {
    "/oauth/authorize": [
      "GET",
      () => OAuth.authorize(logins, searchParams, (workspaces) => decide(settings, state, workspaces), context)
    ],
    "/oauth/token": ["POST", () => OAuth.token(logins, body, pkce.challenge, context)],
    "/oauth/revoke": ["POST", () => OAuth.revoke(logins, body)],
    "/api/accounts/deviceauth/usercode": ["POST", () => OAuth.deviceCode(logins, body, pkce, context)],
    "/api/accounts/deviceauth/token": ["POST", () => OAuth.deviceToken(logins, body, context)]
  }
  const endpoint = Object.hasOwn(endpoints, pathname) ? endpoints[pathname] : undefined
  if (endpoint === undefined) return undefined
  const [expected, run] = endpoint
  if (method !== expected) return [notAllowed(expected), state]
  const [answer, next] = run()
  return [answer, { ...state, logins: next, ...(pathname === "/oauth/authorize" ? { nextLogin: undefined } : {}) }]
}

const endpoints: ReadonlySet<string> = new Set([
  "/codex/responses",
  "/codex/models",
  "/wham/usage",
  "/wham/accounts/check"
])

/** The decision about a request, and the new state. */
export const handle = (
  settings: Settings,
  state: State,
  request: Script.Request,
  pkce: Pkce
): readonly [Outcome, State] => {
  const now = request.receivedAt + state.ahead
  const answered = login(settings, state, request, pkce, now)
  if (answered !== undefined) {
    const [answer, next] = answered
    return [{ _tag: "Answer", answer, headers: common(state, request.number) }, next]
  }
  const endpoint = endpointOf(request.path)
  return endpoints.has(endpoint)
    ? [codex(settings, state, request, endpoint, now), state]
    : [{ _tag: "Answer", answer: notFound, headers: common(state, request.number) }, state]
}

// after a turn -------------------------------------------------------------------------------------------------------

/** The state after an event of a turn was sent: its encrypted content belongs to the account, and usage is counted. */
export const sent = (state: State, account: Account, event: Json, at: number): State => {
  const response = asObject(event["response"])
  const item = asObject(event["item"])
  const content = asString(item?.["encrypted_content"])
  const total = asObject(response?.["usage"])?.["total_tokens"]
  const issued = content === undefined ? state.issued : HashMap.set(state.issued, content, account.id)
  const isOver = ["completed", "incomplete", "failed"].some((end) => event["type"] === `response.${end}`)
  const used =
    isOver && typeof total === "number"
      ? HashMap.set(state.used, account.id, Usage.spend(account, usedOf(state, account), total, at + state.ahead))
      : state.used
  return { ...state, issued, used }
}
