/**
 * The text of a credential file, and the login in it.
 *
 * Two formats are understood and written back as they were found: the Codex CLI's `auth.json` (protocol F.1) and
 * `{"openai-codex": {type, access, refresh, expires, account_id}}`. Fields this library does not know survive every
 * rewrite, at every level.
 *
 * @since 0.1.0
 */

import { defined } from "@effect-codex/schema/Defined"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { AuthFileUnusable } from "./AuthError.ts"
import type { Login } from "./Login.ts"

interface Json {
  readonly [key: string]: unknown
}

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true, nullable: true })

const CodexFile = Schema.Struct({
  auth_mode: optional(Schema.String),
  OPENAI_API_KEY: optional(Schema.String),
  tokens: optional(
    Schema.Struct({
      access_token: Schema.NonEmptyString,
      refresh_token: optional(Schema.String),
      id_token: optional(Schema.String),
      account_id: optional(Schema.String)
    })
  ),
  last_refresh: optional(Schema.String)
})

const seedKey = "openai-codex"

const SeedFile = Schema.Struct({
  [seedKey]: Schema.Struct({
    access: Schema.NonEmptyString,
    refresh: optional(Schema.String),
    expires: optional(Schema.Number),
    account_id: optional(Schema.String)
  })
})

/**
 * What a credential file holds.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthFile {
  /** The login, unless the file has none. */
  readonly login?: Login
  /** What the file has instead of a ChatGPT login, such as `an API key only`. */
  readonly found?: string
  /** The file with this login in place of its own, or without any. `undefined` when nothing would be left of it. */
  readonly withLogin: (login: Login | undefined) => string | undefined
}

const print = (json: Json): string => `${JSON.stringify(json, null, 2)}\n`

const secret = (text: string | undefined): Redacted.Redacted | undefined => (text ? Redacted.make(text) : undefined)
const reveal = (value: Redacted.Redacted | undefined): string | undefined =>
  value === undefined ? undefined : Redacted.value(value)

const isJsonObject = Schema.is(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
const object = (value: unknown): Json => (isJsonObject(value) && !Array.isArray(value) ? value : {})
const parseJson = Schema.decodeUnknown(Schema.parseJson())

const isoFromMillis = (millis: number): string => DateTime.formatIso(DateTime.unsafeMake(millis))
const millisFromIso = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Option.getOrUndefined(Option.map(DateTime.make(text), DateTime.toEpochMillis))

/** The two modes whose tokens are ChatGPT tokens; files without a mode are old ones. */
const chatGptModes: ReadonlySet<unknown> = new Set([undefined, null, "chatgpt", "chatgptAuthTokens"])

/** What the Codex CLI's other modes are; the file's own words are not quoted. */
const otherModes: Record<string, string> = {
  apikey: "an API key only",
  headers: "a login by headers",
  agentIdentity: "an agent identity",
  personalAccessToken: "a personal access token",
  bedrockApiKey: "a Bedrock key",
  bedrockAccessKeys: "Bedrock keys"
}

const printCodex = (json: Json, login: Login | undefined): string | undefined => {
  if (login === undefined) {
    const { auth_mode: _mode, tokens: _tokens, last_refresh: _last, ...rest } = json
    return Object.values(rest).every((value) => value === null) ? undefined : print(rest)
  }
  const { last_refresh: _last, ...rest } = json
  const {
    id_token: _id,
    access_token: _access,
    refresh_token: _refresh,
    account_id: _account,
    ...unknown
  } = object(json["tokens"])
  return print({
    OPENAI_API_KEY: null,
    ...rest,
    auth_mode: chatGptModes.has(json["auth_mode"]) ? (json["auth_mode"] ?? "chatgpt") : "chatgpt",
    tokens: {
      ...defined({
        id_token: reveal(login.idToken),
        access_token: reveal(login.accessToken),
        refresh_token: reveal(login.refreshToken),
        account_id: reveal(login.accountId)
      }),
      ...unknown
    },
    ...defined({ last_refresh: login.lastRefresh === undefined ? undefined : isoFromMillis(login.lastRefresh) })
  })
}

const printSeed = (json: Json, login: Login | undefined): string | undefined => {
  if (login === undefined) {
    const { [seedKey]: _login, ...rest } = json
    return Object.keys(rest).length === 0 ? undefined : print(rest)
  }
  const {
    access: _access,
    refresh: _refresh,
    account_id: _account,
    expires: _expires,
    ...unknown
  } = object(json[seedKey])
  return print({
    ...json,
    [seedKey]: {
      type: "oauth",
      ...defined({
        access: reveal(login.accessToken),
        refresh: reveal(login.refreshToken),
        account_id: reveal(login.accountId),
        expires: login.expiresAt
      }),
      ...unknown
    }
  })
}

/** Keys only: values may be secrets. */
const invalidAt = (path: string) => (error: ParseResult.ParseError) => {
  const at = ParseResult.ArrayFormatter.formatErrorSync(error)[0]?.path.join(".")
  return new AuthFileUnusable({ path, operation: "decode", reason: "schema", ...(at ? { at } : {}) })
}

const parseSeed = (json: Json, path: string): Effect.Effect<AuthFile, AuthFileUnusable> =>
  Schema.decodeUnknown(SeedFile)(json).pipe(
    Effect.mapBoth({
      onFailure: invalidAt(path),
      onSuccess: ({ [seedKey]: entry }) => ({
        login: defined({
          accessToken: Redacted.make(entry.access),
          refreshToken: secret(entry.refresh),
          accountId: secret(entry.account_id),
          expiresAt: entry.expires
        }),
        withLogin: (login) => printSeed(json, login)
      })
    })
  )

const parseCodex = (json: Json, path: string): Effect.Effect<AuthFile, AuthFileUnusable> =>
  Schema.decodeUnknown(CodexFile)(json).pipe(
    Effect.mapBoth({
      onFailure: invalidAt(path),
      onSuccess: ({ auth_mode, OPENAI_API_KEY, tokens, last_refresh }): AuthFile => {
        const withLogin = (login: Login | undefined) => printCodex(json, login)
        if (!chatGptModes.has(auth_mode)) return { found: otherModes[auth_mode ?? ""] ?? "another login", withLogin }
        if (tokens === undefined) return { ...(OPENAI_API_KEY ? { found: "an API key only" } : {}), withLogin }
        return {
          login: defined({
            accessToken: Redacted.make(tokens.access_token),
            refreshToken: secret(tokens.refresh_token),
            idToken: secret(tokens.id_token),
            accountId: secret(tokens.account_id),
            lastRefresh: millisFromIso(last_refresh)
          }),
          withLogin
        }
      }
    })
  )

/**
 * The file that does not exist yet: no login, and the Codex CLI's format when one is added.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty: AuthFile = { withLogin: (login) => (login === undefined ? undefined : printCodex({}, login)) }

/**
 * Reads the text of a credential file. `path` is only for the error, which never quotes the content.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse: (text: string, path: string) => Effect.Effect<AuthFile, AuthFileUnusable> = Effect.fnUntraced(
  function* (text, path) {
    if (text.trim() === "") return yield* new AuthFileUnusable({ path, operation: "decode", reason: "empty" })
    const json = yield* parseJson(text).pipe(
      Effect.mapError(() => new AuthFileUnusable({ path, operation: "decode", reason: "json" }))
    )
    if (!isJsonObject(json) || Array.isArray(json))
      return yield* new AuthFileUnusable({ path, operation: "decode", reason: "schema" })
    return yield* seedKey in json ? parseSeed(json, path) : parseCodex(json, path)
  }
)
