/**
 * Logins, with their codes and tokens. All tokens of one login are a family. A refresh token can be used once. If it is
 * used again, its whole family ends (protocol F).
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Invented from "../invented.ts"
import { jwt, type Subject } from "../jwt.ts"

/** All tokens of one login. */
export interface Family {
  readonly accountId: string
  readonly ended: boolean
}

export interface AccessToken {
  readonly family: string
  /** In milliseconds since 1970. */
  readonly expiresAt: number
  readonly revoked: boolean
}

interface RefreshToken {
  readonly family: string
  readonly used: boolean
  readonly expiresAt: number
}

/** A code from the authorize endpoint or a device login, which can be exchanged once. */
interface Code {
  readonly accountId: string
  readonly redirectUri: string
  readonly challenge: string
  readonly expiresAt: number
  /** The login that it was exchanged for. */
  readonly family: string | undefined
}

/** A pending device login. */
interface Device {
  readonly userCode: string
  readonly expiresAt: number
  readonly polledAt: number | undefined
  readonly decision: { readonly accountId: string } | "denied" | undefined
  readonly verifier: string
  readonly challenge: string
}

export interface Logins {
  /** Makes generated values differ from those of another backend. */
  readonly salt: string
  readonly count: number
  readonly families: HashMap.HashMap<string, Family>
  readonly accessTokens: HashMap.HashMap<string, AccessToken>
  readonly refreshTokens: HashMap.HashMap<string, RefreshToken>
  readonly codes: HashMap.HashMap<string, Code>
  readonly devices: HashMap.HashMap<string, Device>
}

/** The lifetimes of tokens, in milliseconds. */
export interface Lifetimes {
  readonly access: number
  readonly refresh: number
}

export interface Tokens {
  readonly accessToken: string
  readonly refreshToken: string
  readonly idToken: string
  readonly expiresAt: number
}

export const codeLifetime = 600_000
export const deviceLifetime = 900_000
/** Seconds between two polls of a device login. */
export const pollInterval = 5

export const empty = (salt: string): Logins => ({
  salt,
  count: 0,
  families: HashMap.empty(),
  accessTokens: HashMap.empty(),
  refreshTokens: HashMap.empty(),
  codes: HashMap.empty(),
  devices: HashMap.empty()
})

const find = <A>(map: HashMap.HashMap<string, A>, key: string): A | undefined =>
  Option.getOrUndefined(HashMap.get(map, key))

/** A new unique text. */
const next = (logins: Logins, prefix: string, length: number): readonly [string, Logins] => [
  `${prefix}${Invented.letters(`${logins.salt}/${prefix}${logins.count}`, length)}`,
  { ...logins, count: logins.count + 1 }
]

const clientId = "app_EMoamEEZ73f0CkXaXp7hrann"

const issue = (
  before: Logins,
  family: string,
  subject: Subject,
  now: number,
  lifetimes: Lifetimes
): readonly [Tokens, Logins] => {
  const [refreshToken, withRefresh] = next(before, "rt_", 48)
  const [id, logins] = next(withRefresh, "", 24)
  const expiresAt = now + lifetimes.access
  const seconds = (time: number) => Math.floor(time / 1000)
  const common = { iat: seconds(now), exp: seconds(expiresAt), iss: "https://auth.openai.com", jti: id }
  const accessToken = jwt(subject, { ...common, aud: ["https://api.openai.com/v1"], client_id: clientId }, id)
  return [
    { accessToken, refreshToken, idToken: jwt(subject, { ...common, aud: [clientId] }, `id${id}`), expiresAt },
    {
      ...logins,
      accessTokens: HashMap.set(logins.accessTokens, accessToken, {
        family,
        // as in the token itself, in whole seconds
        expiresAt: seconds(expiresAt) * 1000,
        revoked: false
      }),
      refreshTokens: HashMap.set(logins.refreshTokens, refreshToken, {
        family,
        used: false,
        expiresAt: now + lifetimes.refresh
      })
    }
  ]
}

/** A new login. */
export const login = (
  before: Logins,
  subject: Subject & { readonly accountId: string },
  now: number,
  lifetimes: Lifetimes
): readonly [Tokens & { readonly family: string }, Logins] => {
  const [family, named] = next(before, "login_", 12)
  const families = HashMap.set(named.families, family, { accountId: subject.accountId, ended: false })
  const [tokens, logins] = issue({ ...named, families }, family, subject, now, lifetimes)
  return [{ ...tokens, family }, logins]
}

const end = (logins: Logins, family: string): Logins => ({
  ...logins,
  families: HashMap.modify(logins.families, family, (found) => ({ ...found, ended: true }))
})

/** Ends every login of an account. */
export const endAll = (logins: Logins, accountId: string): Logins => ({
  ...logins,
  families: HashMap.map(logins.families, (family) =>
    family.accountId === accountId ? { ...family, ended: true } : family
  )
})

/** Makes the access tokens of an account expire now. Its refresh tokens stay valid. */
export const expireAll = (logins: Logins, accountId: string, now: number): Logins => ({
  ...logins,
  accessTokens: HashMap.map(logins.accessTokens, (token) =>
    find(logins.families, token.family)?.accountId === accountId
      ? { ...token, expiresAt: Math.min(token.expiresAt, now) }
      : token
  )
})

/** The account of an access token, or why the token is invalid. */
export const verify = (
  logins: Logins,
  accessToken: string,
  now: number
): { readonly accountId: string } | "unknown" | "expired" | "revoked" => {
  const token = find(logins.accessTokens, accessToken)
  const family = token === undefined ? undefined : find(logins.families, token.family)
  if (token === undefined || family === undefined) return "unknown"
  if (token.revoked || family.ended) return "revoked"
  return now >= token.expiresAt ? "expired" : { accountId: family.accountId }
}

export type RefreshProblem = "refresh_token_expired" | "refresh_token_reused" | "refresh_token_invalidated"

/** Uses a refresh token. If it was used before, its family ends. */
export const refresh = (
  before: Logins,
  refreshToken: string,
  subjectOf: (accountId: string) => Subject | undefined,
  now: number,
  lifetimes: Lifetimes
): readonly [Tokens | RefreshProblem, Logins] => {
  const token = find(before.refreshTokens, refreshToken)
  const family = token === undefined ? undefined : find(before.families, token.family)
  if (token === undefined || family === undefined) return ["refresh_token_invalidated", before]
  if (token.used) return ["refresh_token_reused", end(before, token.family)]
  const subject = subjectOf(family.accountId)
  if (family.ended || subject === undefined) return ["refresh_token_invalidated", before]
  if (now >= token.expiresAt) return ["refresh_token_expired", before]
  const spent = HashMap.set(before.refreshTokens, refreshToken, { ...token, used: true })
  return issue({ ...before, refreshTokens: spent }, token.family, subject, now, lifetimes)
}

/** Revokes a token: a refresh token with its whole family, an access token alone. */
export const revoke = (logins: Logins, token: string): Logins => {
  const refreshToken = find(logins.refreshTokens, token)
  return refreshToken === undefined
    ? {
        ...logins,
        accessTokens: HashMap.modify(logins.accessTokens, token, (found) => ({ ...found, revoked: true }))
      }
    : end(logins, refreshToken.family)
}

// codes --------------------------------------------------------------------------------------------------------------

export const authorize = (
  before: Logins,
  code: Pick<Code, "accountId" | "challenge" | "redirectUri">,
  now: number
): readonly [string, Logins] => {
  const [text, logins] = next(before, "ac_", 40)
  const made = { ...code, expiresAt: now + codeLifetime, family: undefined }
  return [text, { ...logins, codes: HashMap.set(logins.codes, text, made) }]
}

/** Exchanges a code. `undefined` if the code or its parameters are invalid. If it was exchanged before, its login ends. */
export const exchange = (
  before: Logins,
  offered: { readonly code: string; readonly redirectUri: string; readonly challenge: string },
  subjectOf: (accountId: string) => Subject | undefined,
  now: number,
  lifetimes: Lifetimes
): readonly [Tokens | undefined, Logins] => {
  const code = find(before.codes, offered.code)
  if (code === undefined) return [undefined, before]
  if (code.family !== undefined) return [undefined, end(before, code.family)]
  const subject = subjectOf(code.accountId)
  const fits = code.redirectUri === offered.redirectUri && code.challenge === offered.challenge && now < code.expiresAt
  if (!fits || subject === undefined) return [undefined, before]
  const [tokens, logins] = login(before, { ...subject, accountId: code.accountId }, now, lifetimes)
  const codes = HashMap.set(logins.codes, offered.code, { ...code, family: tokens.family })
  return [tokens, { ...logins, codes }]
}

// devices ------------------------------------------------------------------------------------------------------------

export interface StartedDevice {
  readonly id: string
  readonly userCode: string
  readonly expiresAt: number
}

export const startDevice = (
  before: Logins,
  pkce: { readonly verifier: string; readonly challenge: string },
  now: number
): readonly [StartedDevice, Logins] => {
  const [id, withId] = next(before, "da_", 24)
  const [letters, logins] = next(withId, "", 8)
  const userCode = `${letters.slice(0, 4)}-${letters.slice(4)}`.toUpperCase()
  const expiresAt = now + deviceLifetime
  const device: Device = { ...pkce, userCode, expiresAt, polledAt: undefined, decision: undefined }
  return [
    { id, userCode, expiresAt },
    { ...logins, devices: HashMap.set(logins.devices, id, device) }
  ]
}

/** Applies the decision of the user about the code. `false` if there is no such code. */
export const decideDevice = (
  logins: Logins,
  userCode: string,
  decision: NonNullable<Device["decision"]>,
  now: number
): readonly [boolean, Logins] => {
  const entry = Array.from(logins.devices).find(([, device]) => device.userCode === userCode && now < device.expiresAt)
  if (entry === undefined) return [false, logins]
  const [id, device] = entry
  return [true, { ...logins, devices: HashMap.set(logins.devices, id, { ...device, decision }) }]
}

export type Polled =
  | { readonly code: string; readonly verifier: string; readonly challenge: string }
  | "pending"
  | "slow_down"
  | "denied"
  | "expired"
  | "unknown"

/** One poll. A granted device login returns its code once. */
export const pollDevice = (
  before: Logins,
  offered: { readonly id: string; readonly userCode: string; readonly redirectUri: string },
  now: number
): readonly [Polled, Logins] => {
  const device = find(before.devices, offered.id)
  if (device === undefined || device.userCode !== offered.userCode) return ["unknown", before]
  if (now >= device.expiresAt) return ["expired", before]
  const isSoon = device.polledAt !== undefined && now < device.polledAt + pollInterval * 1000
  const polled = { ...before, devices: HashMap.set(before.devices, offered.id, { ...device, polledAt: now }) }
  if (isSoon) return ["slow_down", polled]
  if (device.decision === undefined) return ["pending", polled]
  if (device.decision === "denied") return ["denied", polled]
  const { challenge, verifier } = device
  const { accountId } = device.decision
  const [code, logins] = authorize(before, { accountId, redirectUri: offered.redirectUri, challenge }, now)
  return [
    { code, verifier, challenge },
    { ...logins, devices: HashMap.remove(logins.devices, offered.id) }
  ]
}
