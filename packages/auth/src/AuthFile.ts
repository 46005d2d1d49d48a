/**
 * Reads and writes the content of credential files.
 *
 * Two formats are supported, and a file keeps its format: the Codex CLI's `auth.json` (protocol F.1) and
 * `{"openai-codex": {type, access, refresh, expires, account_id}}`. A refresh preserves all unknown fields, at every
 * level. An optional field of an unexpected type is ignored.
 *
 * @since 0.1.0
 */

import { defined } from "@effect-codex/schema/Defined"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { AuthFileUnusable } from "./AuthError.ts"
import { isSameAccount } from "./internal/account.ts"
import {
  isJsonObject,
  type Json,
  numberIn,
  objectIn,
  parseExactly,
  parseJson,
  restoreNumerals,
  textIn
} from "./internal/json.ts"
import type { Login } from "./Login.ts"

/**
 * A parsed credential file, and functions that produce its next content.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthFile {
  /** Absent if the file has no login. */
  readonly login?: Login
  /** What the file contains instead of a ChatGPT login, such as `an API key only`. */
  readonly found?: string
  /** The file with new tokens of the same login. Everything else is preserved. */
  readonly renew: (login: Login) => Effect.Effect<string, Unprintable>
  /**
   * The file with a new login. Other content is preserved only if the account is the same. Nothing of another account
   * or another kind of login remains.
   */
  readonly replace: (login: Login) => Effect.Effect<string, Unprintable>
  /** The file without its login. `undefined` if nothing remains. */
  readonly remove: Effect.Effect<string | undefined, Unprintable>
}

/**
 * Why a file cannot be written: it is nested too deeply, or the text would be larger than `limit`.
 *
 * @since 0.1.0
 * @category models
 */
export type Unprintable = "tooDeep" | "tooLarge"

/**
 * The maximum size of a file, in bytes: 1 MiB. Typical files have a few thousand bytes.
 *
 * @since 0.1.0
 * @category configuration
 */
export const limit = 1_048_576

/** Deeper values are not written: `JSON.stringify` is recursive, and indentation grows with the depth. */
const maxDepth = 100

/** Larger files are printed without indentation. */
const indentedLimit = 65_536

/** Not recursive, because the value can have any depth. */
const isTooDeep = (value: unknown): boolean => {
  let level: ReadonlyArray<unknown> = [value]
  for (let depth = 0; depth <= maxDepth; depth++) {
    level = level.flatMap((value) => (typeof value === "object" && value !== null ? Object.values(value) : []))
    if (level.length === 0) return false
  }
  return true
}

const print = (json: Json): Effect.Effect<string, Unprintable> =>
  Effect.suspend(() => {
    if (isTooDeep(json)) return Effect.fail("tooDeep")
    const compact = JSON.stringify(json)
    const text = restoreNumerals(compact.length > indentedLimit ? compact : JSON.stringify(json, null, 2))
    return text.length >= limit ? Effect.fail("tooLarge") : Effect.succeed(`${text}\n`)
  })

const secretIn = (json: Json, key: string): Redacted.Redacted | undefined => {
  const text = textIn(json, key)
  return text === undefined ? undefined : Redacted.make(text)
}

const reveal = (value: Redacted.Redacted | undefined): string | undefined =>
  value === undefined ? undefined : Redacted.value(value)

/** Sets these fields. `undefined` removes a field, unless its type is unexpected and `read` ignored it. */
const update = (
  json: Json,
  fields: Readonly<Record<string, string | number | undefined>>,
  read: (json: Json, key: string) => unknown = textIn
): Json => {
  const all = new Map(Object.entries(json))
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined) all.set(key, value)
    else if (read(json, key) !== undefined || json[key] == null) all.delete(key)
  }
  return Object.fromEntries(all)
}

const without = (json: Json, ...keys: ReadonlyArray<string>): Json =>
  Object.fromEntries(Object.entries(json).filter(([key]) => !keys.includes(key)))

const isoFromMillis = (millis: number): string | undefined =>
  Option.getOrUndefined(Option.map(DateTime.make(millis), DateTime.formatIso))
const millisFromIso = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Option.getOrUndefined(Option.map(DateTime.make(text), DateTime.toEpochMillis))

/** `at` contains only keys, because values may be secrets. */
const invalidAt = (path: string, at?: string): Effect.Effect<never, AuthFileUnusable> =>
  Effect.fail(new AuthFileUnusable({ path, operation: "decode", reason: "schema", ...defined({ at }) }))

/** The modes with ChatGPT tokens. Old files have no mode. */
const chatGptModes: ReadonlySet<string | undefined> = new Set([undefined, "chatgpt", "chatgptAuthTokens"])

/** Descriptions of the Codex CLI's other modes. Errors use these and never quote the file. */
const otherModes: Record<string, string> = {
  apikey: "an API key only",
  headers: "a login by headers",
  agentIdentity: "an agent identity",
  personalAccessToken: "a personal access token",
  bedrockApiKey: "a Bedrock key",
  bedrockAccessKeys: "Bedrock keys"
}

/** Fields of one login that a new login of the same account must not keep (protocol N.8). */
const ofOneLogin = ["login_owner_id", "oauth_provenance"]

const withTokens = (json: Json, login: Login): Json => {
  const mode = textIn(json, "auth_mode")
  return update(
    {
      OPENAI_API_KEY: null,
      ...json,
      auth_mode: mode !== undefined && chatGptModes.has(mode) ? mode : "chatgpt",
      tokens: update(objectIn(json, "tokens"), {
        id_token: reveal(login.idToken),
        access_token: reveal(login.accessToken),
        refresh_token: reveal(login.refreshToken),
        account_id: reveal(login.accountId)
      })
    },
    { last_refresh: login.lastRefresh === undefined ? undefined : isoFromMillis(login.lastRefresh) }
  )
}

const codexFile = (json: Json, login: Login | undefined, found?: string): AuthFile => ({
  ...defined({ login, found }),
  renew: (next) => print(withTokens(json, next)),
  replace: (next) =>
    print(
      withTokens(
        login !== undefined && isSameAccount(login, next)
          ? { ...json, tokens: without(objectIn(json, "tokens"), ...ofOneLogin) }
          : {},
        next
      )
    ),
  remove: Effect.suspend(() => {
    const rest = without(json, "auth_mode", "tokens", "last_refresh")
    return Object.values(rest).every((value) => value === null) ? Effect.succeed(undefined) : print(rest)
  })
})

/** `exact` has the same content as `json`, for writing. */
const parseCodex = (json: Json, exact: Json, path: string): Effect.Effect<AuthFile, AuthFileUnusable> => {
  const mode = textIn(json, "auth_mode")
  if (!chatGptModes.has(mode)) {
    return Effect.succeed(codexFile(exact, undefined, otherModes[mode ?? ""] ?? "another login"))
  }
  const tokens = json["tokens"] ?? undefined
  if (tokens === undefined) {
    const found = textIn(json, "OPENAI_API_KEY") === undefined ? undefined : "an API key only"
    return Effect.succeed(codexFile(exact, undefined, found))
  }
  if (!isJsonObject(tokens)) return invalidAt(path, "tokens")
  const accessToken = secretIn(tokens, "access_token")
  if (accessToken === undefined) return invalidAt(path, "tokens.access_token")
  const login: Login = defined({
    accessToken,
    refreshToken: secretIn(tokens, "refresh_token"),
    idToken: secretIn(tokens, "id_token"),
    accountId: secretIn(tokens, "account_id"),
    lastRefresh: millisFromIso(textIn(json, "last_refresh"))
  })
  return Effect.succeed(codexFile(exact, login))
}

const otherKey = "openai-codex"

const parseOther = (json: Json, exact: Json, path: string): Effect.Effect<AuthFile, AuthFileUnusable> => {
  const entry = json[otherKey]
  if (!isJsonObject(entry)) return invalidAt(path, otherKey)
  const accessToken = secretIn(entry, "access")
  if (accessToken === undefined) return invalidAt(path, `${otherKey}.access`)
  const login: Login = defined({
    accessToken,
    refreshToken: secretIn(entry, "refresh"),
    accountId: secretIn(entry, "account_id"),
    expiresAt: numberIn(entry, "expires")
  })
  const kept = { ...objectIn(exact, otherKey), ...defined({ expires: login.expiresAt }) }
  const withEntry = (entry: Json, next: Login) =>
    print({
      ...exact,
      [otherKey]: update(
        update(
          { type: "oauth", ...entry },
          {
            access: reveal(next.accessToken),
            refresh: reveal(next.refreshToken),
            account_id: reveal(next.accountId)
          }
        ),
        { expires: next.expiresAt },
        numberIn
      )
    })
  return Effect.succeed({
    login,
    renew: (next) => withEntry(kept, next),
    replace: (next) => withEntry(isSameAccount(login, next) ? kept : {}, next),
    remove: Effect.suspend(() => {
      const rest = without(exact, otherKey)
      return Object.keys(rest).length === 0 ? Effect.succeed(undefined) : print(rest)
    })
  })
}

/**
 * A file that does not exist yet. A login is added in the Codex CLI's format.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty: AuthFile = codexFile({}, undefined)

/**
 * Parses the text of a credential file. `path` is only used in errors, which never quote the content.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string, path: string): Effect.Effect<AuthFile, AuthFileUnusable> =>
  Effect.suspend(() => {
    if (text.length > limit) {
      return Effect.fail(new AuthFileUnusable({ path, operation: "read", reason: "tooLarge" }))
    }
    const json = parseJson(text)
    if (Either.isLeft(json)) {
      const reason = text.trim() === "" ? "empty" : "json"
      return Effect.fail(new AuthFileUnusable({ path, operation: "decode", reason }))
    }
    if (!isJsonObject(json.right)) return invalidAt(path)
    const parseLogin = otherKey in json.right ? parseOther : parseCodex
    return parseLogin(json.right, parseExactly(text), path)
  })
