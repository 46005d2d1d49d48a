import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as StrictBackend from "@effect-codex/testing/StrictBackend"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

export type Json = Record<string, unknown>

export const user = (text: string) => ({ type: "message", role: "user", content: [{ type: "input_text", text }] })

/** A body that nothing is wrong with, and what is to be changed about it; `undefined` leaves a key out. */
export const body = (changes: Json = {}): Json =>
  Object.fromEntries(
    Object.entries({
      model: "gpt-5.5",
      stream: true,
      instructions: "",
      input: [user("Hi")],
      store: false,
      include: ["reasoning.encrypted_content"],
      ...changes
    }).filter(([, value]) => value !== undefined)
  )

export const base = "https://chatgpt.com/backend-api"
export const issuer = "https://auth.openai.com"

export interface Answer {
  readonly status: number
  readonly headers: Record<string, string | undefined>
  readonly json: Json
  /** `json.error`, as the API has it. */
  readonly error: {
    readonly message?: string
    readonly type?: string
    readonly code?: string | null
    readonly param?: string | null
  }
  readonly text: string
}

const read = Effect.fnUntraced(function* (request: HttpClientRequest.HttpClientRequest) {
  const client = yield* HttpClient.HttpClient
  const agent = request.headers["user-agent"] ?? "test/1.0"
  const response = yield* client.execute(HttpClientRequest.setHeader(request, "user-agent", agent))
  const text = yield* response.text
  let json: Json = {}
  try {
    json = JSON.parse(text)
  } catch {
    // a page, or nothing
  }
  const error = typeof json["error"] === "object" ? json["error"] : {}
  return { status: response.status, headers: response.headers, json, error, text } as Answer
})

export const send = read

/** A login of the backend as headers. */
export const credentials = (accountId?: string) =>
  Effect.gen(function* () {
    const backend = yield* StrictBackend.StrictBackend
    const login = yield* backend.login(accountId)
    return {
      authorization: `Bearer ${Redacted.value(login.accessToken)}`,
      ...(login.accountId === undefined ? {} : { "chatgpt-account-id": Redacted.value(login.accountId) })
    }
  })

export const post = (
  value: unknown,
  headers: Readonly<Record<string, string>>,
  url = base
): Effect.Effect<Answer, unknown, HttpClient.HttpClient> =>
  read(
    HttpClientRequest.post(`${url}/codex/responses`).pipe(
      HttpClientRequest.bodyUnsafeJson(value),
      HttpClientRequest.setHeaders(headers)
    )
  )

export const get = (path: string, headers: Readonly<Record<string, string>> = {}, url = base) =>
  read(HttpClientRequest.get(`${url}${path}`).pipe(HttpClientRequest.setHeaders(headers)))

/** The items of a turn, as the next request gives them back. */
export const items = (text: string): ReadonlyArray<Json> =>
  text.split("\n").flatMap((line) => {
    if (!line.startsWith("data: ")) return []
    const event = JSON.parse(line.slice(6))
    return event.type === "response.output_item.done" ? [event.item] : []
  })
