/**
 * Removes secrets from an exchange. First it finds them by their position and by their form, then it finds all other
 * occurrences of the same values, in any encoding and across the events of a stream.
 */
import { asString, parseJson } from "../json.ts"
import * as Document from "./document.ts"
import * as Encodings from "./encodings.ts"
import type { Exchange, Request } from "./exchange.ts"
import * as Literals from "./literals.ts"
import * as Placeholders from "./placeholders.ts"

// by position ---------------------------------------------------------------------------------------------------------

const keyKinds: Readonly<Record<string, Placeholders.Kind>> = {
  access_token: "token",
  refresh_token: "token",
  id_token: "token",
  personal_access_token: "token",
  openai_api_key: "token",
  api_key: "token",
  apikey: "token",
  authorization: "token",
  password: "secret",
  secret: "secret",
  client_secret: "secret",
  cookie: "cookie",
  authorization_code: "code",
  code_verifier: "code",
  code_challenge: "code",
  device_auth_id: "code",
  user_code: "code",
  usercode: "code",
  account_id: "account",
  chatgpt_account_id: "account",
  default_account_id: "account",
  account_ordering: "account",
  allowed_workspace_id: "account",
  user_id: "user",
  chatgpt_user_id: "user",
  organization_id: "user",
  project_id: "user",
  safety_identifier: "user",
  login_owner_id: "user",
  installation_id: "user",
  "x-codex-installation-id": "user",
  email: "email",
  profile_picture_url: "value",
  encrypted_content: "content",
  encrypted_function_args: "content",
  prompt_cache_key: "session",
  session_id: "session",
  thread_id: "session",
  turn_id: "session",
  root_turn_id: "session",
  "x-codex-window-id": "session",
  "x-codex-turn-state": "token",
  "x-codex-turn-metadata": "value"
}

/** Keys that are secret in a login and harmless elsewhere. */
const loginKinds: Readonly<Record<string, Placeholders.Kind>> = { code: "code", state: "code", token: "token" }

const telling = /(?:^|_)(?:token|secret|password|credential|api_?key)s?$/

interface Place {
  /** A request to the login server, where `code` is a secret. */
  readonly isLogin: boolean
}

const kindOf = (path: ReadonlyArray<string>, { isLogin }: Place): Placeholders.Kind | undefined => {
  const key = path.at(-1)?.toLowerCase() ?? ""
  if (Object.hasOwn(keyKinds, key)) return keyKinds[key]
  if (isLogin && Object.hasOwn(loginKinds, key)) return loginKinds[key]
  // in logprobs, `token` is a piece of text
  if (path.some((name) => name.endsWith("logprobs"))) return undefined
  if (path.at(-2) === "accounts" && (key === "id" || key === "name")) return key === "id" ? "account" : "name"
  return telling.test(key) ? "token" : undefined
}

// by form ------------------------------------------------------------------------------------------------------------

/** Each with a text that every match contains, because searching for that is faster. */
const looks: ReadonlyArray<readonly [Placeholders.Kind, RegExp, string?]> = [
  ["jwt", /eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*/g],
  ["token", /(?<=\bBearer\s{1,4})[\w.~+/-]{8,}=*/gi],
  ["token", /\brt[_.][\w.-]{8,}/g],
  ["token", /\bsk-[\w-]{16,}/g],
  ["content", /gAAAA[\w-]{16,}={0,2}/g],
  ["user", /\b(?:user|org|proj)-[A-Za-z0-9]{16,}\b/g],
  ["email", /[\w.%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b/g, "@"],
  ["email", /[\w.+-]{1,64}%40(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b/gi, "%40"]
]

/** The parts of a text that look like a secret. */
export const suspects = (text: string): ReadonlyArray<readonly [Placeholders.Kind, string]> => {
  const rest = Placeholders.without(text)
  return looks.flatMap(([kind, look, needle]) =>
    needle !== undefined && !rest.includes(needle)
      ? []
      : Array.from(rest.matchAll(look), ([found]): readonly [Placeholders.Kind, string] => [
          kind,
          found.replace(/%40/i, "@")
        ])
  )
}

// headers ------------------------------------------------------------------------------------------------------------

/** Headers without personal data. */
const harmless: ReadonlySet<string> = new Set([
  "accept",
  "accept-encoding",
  "accept-language",
  "allow",
  "alt-svc",
  "cache-control",
  "cf-cache-status",
  "cf-mitigated",
  "cf-ray",
  "connection",
  "content-encoding",
  "content-language",
  "content-length",
  "content-type",
  "date",
  "etag",
  "expires",
  "host",
  "if-none-match",
  "keep-alive",
  "location",
  "openai-beta",
  "openai-model",
  "openai-processing-ms",
  "openai-version",
  "originator",
  "pragma",
  "retry-after",
  "retry-after-ms",
  "server",
  "strict-transport-security",
  "transfer-encoding",
  "upgrade",
  "user-agent",
  "vary",
  "version",
  "x-codex-active-limit",
  "x-codex-beta-features",
  "x-codex-plan-type",
  "x-codex-promo-message",
  "x-codex-rate-limit-reached-type",
  "x-codex-rate-limit-reset-credits-available",
  "x-codex-routing-hint",
  "x-content-type-options",
  "x-error-json",
  "x-models-etag",
  "x-oai-request-id",
  "x-openai-account-routing-override",
  "x-openai-authorization-error",
  "x-openai-fedramp",
  "x-openai-internal-codex-responses-lite",
  "x-reasoning-included",
  "x-request-id"
])

const harmlessForms: ReadonlyArray<RegExp> = [
  /^access-control-/,
  /^x-ratelimit-/,
  /^x-codex-credits-/,
  /^x-codex-safety-buffering-/,
  /^x-[\w-]+-(?:primary|secondary)-(?:used-percent|window-minutes|reset-at|reset-after-seconds)$/,
  /^x-[\w-]+-(?:primary-over-secondary-limit-percent|limit-name)$/
]

const sessionHeaders: ReadonlySet<string> = new Set([
  "session-id",
  "session_id",
  "thread-id",
  "conversation_id",
  "x-client-request-id",
  "x-codex-window-id"
])

const scrubCookies = (value: string, table: Placeholders.Table, all: boolean): string =>
  all
    ? value.replace(/([^=;\s]+)=([^;]*)/g, (_, name: string, text: string) => `${name}=${table.of("cookie", text)}`)
    : // of several cookies in one header, each begins after a comma that no date has
      value.replace(/(^|,\s*)([^=;,\s]+)=([^;,]*)/g, (_, before: string, name: string, text: string) =>
        /^expires$/i.test(name) ? `${before}${name}=${text}` : `${before}${name}=${table.of("cookie", text)}`
      )

const scrubHeader = (name: string, value: string, table: Placeholders.Table): string => {
  if (name === "authorization" || name === "proxy-authorization") {
    const [, scheme = "", credentials = value] = /^(\w+)\s+(.*)$/.exec(value) ?? []
    return `${scheme}${scheme === "" ? "" : " "}${table.of("token", credentials)}`
  }
  if (name === "cookie") return scrubCookies(value, table, true)
  if (name === "set-cookie") return scrubCookies(value, table, false)
  if (name === "location") return scrubUrl(value, table)
  if (name === "x-codex-turn-state") return table.of("token", value)
  if (name === "chatgpt-account-id") return table.of("account", value)
  if (sessionHeaders.has(name)) return table.of("session", value)
  return harmless.has(name) || harmlessForms.some((form) => form.test(name)) ? value : table.of("value", value)
}

const scrubHeaders = (headers: Readonly<Record<string, string>>, table: Placeholders.Table) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, scrubHeader(name, value, table)]))

// URLs and forms -----------------------------------------------------------------------------------------------------

/** Parameters without personal data. */
const harmlessParameters: ReadonlySet<string> = new Set([
  "client_version",
  "client_id",
  "response_type",
  "redirect_uri",
  "scope",
  "code_challenge_method",
  "id_token_add_organizations",
  "codex_cli_simplified_flow",
  "originator",
  "grant_type",
  "refresh_reason",
  "token_type_hint",
  "error",
  "error_description"
])

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text.replaceAll("+", " "))
  } catch {
    return text
  }
}

const scrubParameters = (text: string, table: Placeholders.Table): string =>
  text.replace(/([^&=]+)=([^&]*)/g, (pair, key: string, value: string) => {
    if (value === "" || harmlessParameters.has(decoded(key))) return pair
    const kind = kindOf([decoded(key)], { isLogin: true }) ?? "value"
    return `${key}=${encodeURIComponent(table.of(kind, decoded(value)))}`
  })

const scrubUrl = (url: string, table: Placeholders.Table): string => {
  const [, start = "", query = "", fragment = ""] = /^([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(url) ?? []
  return [
    start.replace(/^(\w+:\/\/)([^/@]+)@/, (_, scheme: string, user: string) => `${scheme}${table.of("secret", user)}@`),
    query === "" ? "" : `?${scrubParameters(query.slice(1), table)}`,
    fragment === "" ? "" : `#${table.of("value", fragment.slice(1))}`
  ].join("")
}

// bodies -------------------------------------------------------------------------------------------------------------

const isForm = (text: string, headers: Readonly<Record<string, string>>): boolean =>
  /x-www-form-urlencoded/i.test(headers["content-type"] ?? "") ||
  (/^[\w.-]+=[^\s&]*(?:&[\w.-]+=[^\s&]*)*$/.test(text) && !/^\s*[[{"]/.test(text))

/** Collects the secrets in the text of a value. The text can be JSON, such as the arguments of a call. */
const note = (value: string, place: Place, table: Placeholders.Table, depth = 0): void => {
  for (const [kind, found] of suspects(value)) table.of(kind, found)
  if (depth > 3) return
  for (const run of Encodings.base64Decodings(value)) note(run, place, table, depth + 1)
  if (!/^\s*[[{]/.test(value)) return
  for (const { path, value: inner } of Literals.inRange(value, 0, value.length)) {
    const kind = kindOf(path, place)
    if (kind !== undefined && inner.length >= 4) table.of(kind, inner)
    else note(inner, place, table, depth + 1)
  }
}

const scrubByPlace = (
  document: Document.Document,
  headers: Readonly<Record<string, string>>,
  place: Place,
  table: Placeholders.Table
): Document.Document => {
  const { text } = document
  if (isForm(text, headers)) {
    const replaced = scrubParameters(text, table)
    return replaced === text ? document : Document.edit(document, [{ start: 0, end: text.length, text: replaced }])
  }
  const literals = literalsOf(text)
  const edits = literals.flatMap((literal) => {
    const { path, value } = literal
    const kind = kindOf(path, place)
    if (kind !== undefined && value !== "" && !Placeholders.isPlaceholder(value)) {
      return [rewritten(text, literal, table.of(kind, value))]
    }
    note(value, place, table)
    return []
  })
  note(outside(text, literals), place, table)
  return Document.edit(document, edits)
}

const literalsOf = (text: string): ReadonlyArray<Literals.Literal> =>
  Literals.ranges(text).flatMap(([from, to]) => Literals.inRange(text, from, to))

/** Replaces the value of a literal. A cut stream can leave a literal without its closing quote. */
const rewritten = (text: string, { end, start }: Literals.Literal, value: string): Document.Edit => {
  const isClosed = text[end - 1] === '"' && end > start + 1
  const literal = JSON.stringify(value)
  return { start, end, text: isClosed ? literal : literal.slice(0, -1) }
}

/** The text outside of literals. All characters keep their positions. */
const outside = (text: string, literals: ReadonlyArray<Literals.Literal>): string => {
  let out = ""
  let at = 0
  for (const { end, start } of literals) {
    out += text.slice(at, start) + "\n".repeat(end - start)
    at = end
  }
  return out + text.slice(at)
}

// all other occurrences ----------------------------------------------------------------------------------------------

/** Whether a value is too rare to occur elsewhere by chance. Others are replaced only at their own position. */
const isDistinct = (value: string): boolean => value.length >= 6 && !(value.length < 10 && /^[a-z]+$/.test(value))

/** Ids of conversations are not secret. */
export const isSecret = (kind: Placeholders.Kind, value: string): boolean => kind !== "session" && isDistinct(value)

export interface Finder {
  readonly find: (text: string) => ReadonlyArray<Document.Edit>
}

interface Form {
  readonly form: string
  readonly placeholder: string
}

const longestFirst = (forms: ReadonlyArray<Form>): ReadonlyArray<Form> =>
  [...forms].sort((a, b) => b.form.length - a.form.length)

/** Finds the values of a table in all forms. Plain values come first, so that base64 inside of them is not matched separately. */
export const finder = (table: Placeholders.Table): Finder => {
  const values = Array.from(table.values)
    .filter(([value, { kind }]) => isSecret(kind, value))
    .map(([value, { placeholder }]) => ({ ...Encodings.of(value), placeholder }))
  const formsOf = (key: keyof Encodings.Forms) =>
    longestFirst(values.flatMap(({ placeholder, ...forms }) => forms[key].map((form) => ({ form, placeholder }))))
  const exact = formsOf("exact")
  const anyCase = formsOf("anyCase")
  // separates the placeholder from the rest of the base64 run
  const base64 = formsOf("base64").map(({ form, placeholder }) => ({ form, placeholder: `.${placeholder}.` }))

  const find = (text: string): ReadonlyArray<Document.Edit> => {
    const edits: Array<Document.Edit> = []
    const add = (edit: Document.Edit) => {
      if (!edits.some(({ end, start }) => edit.start < end && start < edit.end)) edits.push(edit)
    }
    const search = (where: string, forms: ReadonlyArray<Form>) => {
      for (const { form, placeholder } of forms) {
        for (let at = where.indexOf(form); at !== -1; at = where.indexOf(form, at + form.length)) {
          add({ start: at, end: at + form.length, text: placeholder })
        }
      }
    }
    const lower = text.toLowerCase()
    search(text, exact)
    // if lower case changes the length, positions would be wrong
    search(lower.length === text.length ? lower : text, anyCase)
    for (const { decoded, encode, end, start } of Encodings.base64Runs(text)) {
      const inner = find(decoded)
      if (inner.length > 0) {
        add({ start, end, text: encode(Document.edit({ text: decoded, encoding: "utf8", bounds: [] }, inner).text) })
      }
    }
    search(text, base64)
    return edits
  }
  return { find }
}

/** The texts that a stream sends in deltas, each as its literals in order. */
const deltas = (text: string): ReadonlyArray<ReadonlyArray<Literals.Literal>> => {
  const runs = new Map<string, Array<Literals.Literal>>()
  for (const [from, to] of Literals.ranges(text)) {
    const literals = Literals.inRange(text, from, to).filter(({ path }) => path.includes("delta"))
    if (literals.length === 0) continue
    const event = text.slice(from, to)
    const type = /"type":\s*"([^"]*)"/.exec(event)?.[1] ?? ""
    // items are distinguished by their indexes: some servers send another id in every event
    const place = event.match(/"(?:output_|content_|summary_|command_)?index":\s*\d+/g)?.join() ?? ""
    for (const literal of literals) {
      const key = `${type} ${place} ${literal.path.join(".")}`
      runs.set(key, [...(runs.get(key) ?? []), literal])
    }
  }
  return [...runs.values()]
}

/** Divides the edits of a joined text among its pieces. The first piece of an edit gets the placeholder. */
const spread = (
  pieces: ReadonlyArray<Literals.Literal>,
  edits: ReadonlyArray<Document.Edit>
): ReadonlyArray<Document.Edit> => {
  if (edits.length === 0) return []
  let from = 0
  return pieces.flatMap(({ end, start, value }) => {
    const to = from + value.length
    let out = ""
    let at = from
    for (const change of [...edits].sort((a, b) => a.start - b.start)) {
      if (change.end <= from || change.start >= to) continue
      if (change.start >= from) out += value.slice(at - from, change.start - from) + change.text
      at = Math.max(at, Math.min(change.end, to))
    }
    out += value.slice(at - from)
    from = to
    return out === value ? [] : [{ start, end, text: JSON.stringify(out) }]
  })
}

const scrubDeltas = (document: Document.Document, { find }: Finder): Document.Document =>
  Document.edit(
    document,
    deltas(document.text).flatMap((pieces) => spread(pieces, find(pieces.map(({ value }) => value).join(""))))
  )

/** The joined texts of the deltas of a stream. */
export const joined = (text: string): ReadonlyArray<string> =>
  deltas(text).map((pieces) => pieces.map(({ value }) => value).join(""))

// whole exchanges ----------------------------------------------------------------------------------------------------

interface Scrubbed {
  readonly exchange: Exchange
  readonly request: Document.Document
  readonly response: Document.Document | undefined
}

const isLoginUrl = (url: string): boolean => /\/(?:oauth|deviceauth|auth)\//.test(url)

const replaceIn = (text: string, { find }: Finder): string =>
  Document.edit({ text, encoding: "utf8", bounds: [] }, find(text)).text

const replaceInHeaders = (headers: Readonly<Record<string, string>>, finder: Finder) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, replaceIn(value, finder)]))

const byPlace = (exchange: Exchange, table: Placeholders.Table): Scrubbed => {
  const { request, response } = exchange
  const place = { isLogin: isLoginUrl(request.url) }
  const answer = { isLogin: false }
  note(request.url, answer, table)
  for (const headers of [request.headers, response._tag === "Response" ? response.headers : {}]) {
    for (const [name, value] of Object.entries(headers)) {
      if (harmless.has(name)) note(value, answer, table)
    }
  }
  const scrubbedRequest = {
    ...request,
    url: scrubUrl(request.url, table),
    headers: scrubHeaders(request.headers, table)
  }
  return {
    exchange: {
      request: scrubbedRequest,
      response:
        response._tag === "Response" ? { ...response, headers: scrubHeaders(response.headers, table) } : response
    },
    request: scrubByPlace(Document.make([request.body]), request.headers, place, table),
    response:
      response._tag === "Response"
        ? scrubByPlace(Document.make(response.chunks.map(({ bytes }) => bytes)), response.headers, answer, table)
        : undefined
  }
}

/** Replaces the values of a table in a text. Literals are searched in their decoded form. */
const replaceInText = (document: Document.Document, { find }: Finder): Document.Document => {
  const { text } = document
  const literals = literalsOf(text)
  const inside = literals.flatMap((literal) => {
    const edits = find(literal.value)
    return edits.length === 0
      ? []
      : [rewritten(text, literal, Document.edit({ text: literal.value, encoding: "utf8", bounds: [] }, edits).text)]
  })
  return Document.edit(document, [...inside, ...find(outside(text, literals))])
}

const everywhere = ({ exchange, request, response }: Scrubbed, finder: Finder): Exchange => {
  const scrubText = (document: Document.Document) => replaceInText(scrubDeltas(document, finder), finder)
  const bodies = response === undefined ? [] : Document.chunks(scrubText(response))
  return {
    request: {
      ...exchange.request,
      url: replaceIn(exchange.request.url, finder),
      headers: replaceInHeaders(exchange.request.headers, finder),
      body: Document.chunks(scrubText(request))[0] ?? new Uint8Array(0)
    },
    response:
      exchange.response._tag === "Response"
        ? {
            ...exchange.response,
            headers: replaceInHeaders(exchange.response.headers, finder),
            chunks: exchange.response.chunks.map((chunk, n) => ({ ...chunk, bytes: bodies[n] ?? chunk.bytes }))
          }
        : exchange.response
  }
}

/** The exchanges without secrets, and the table of the replaced values. `secrets` are replaced everywhere. */
export const scrub = (
  exchanges: ReadonlyArray<Exchange>,
  secrets: ReadonlyArray<string> = []
): { readonly exchanges: ReadonlyArray<Exchange>; readonly table: Placeholders.Table } => {
  const table = Placeholders.make()
  for (const secret of secrets) table.of("secret", secret)
  const placed = exchanges.map((exchange) => byPlace(exchange, table))
  for (const { response } of placed) {
    for (const text of response === undefined ? [] : joined(response.text)) note(text, { isLogin: false }, table)
  }
  const found = finder(table)
  return { exchanges: placed.map((one) => everywhere(one, found)), table }
}

/** A request as it would be written to a cassette, to compare it with the recorded ones. */
export const scrubRequest = (request: Request): Request => {
  const response = { _tag: "NoResponse", reason: "abort", wait: 0 } as const
  return scrub([{ request, response }]).exchanges[0]?.request ?? request
}

/** The text of a JSON body, with placeholders. */
export const bodyText = (body: Uint8Array): string => asString(Document.decodeUtf8(body)) ?? ""

/** A body in the form that is compared: JSON as a value. */
export const bodyValue = (body: Uint8Array): unknown => {
  const text = Placeholders.withoutNumbers(bodyText(body))
  const json = parseJson(text)
  return json === undefined ? text : json
}
