import { defined } from "@effect-codex/schema/Defined"
import type * as Failure from "@effect-codex/schema/Failure"
import * as Redaction from "@effect-codex/schema/Redaction"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { isJsonObject, parseJson, textIn } from "./json.ts"

/** A response of the login server, read as a whole. */
export interface Answer {
  readonly status: number
  readonly text: string
  readonly headers: Readonly<Record<string, string | undefined>>
}

/** What a failed response says, whatever its shape. */
interface Statement {
  readonly code?: string | undefined
  readonly message?: string | undefined
}

/** The longest text that is kept of what the server says. */
const limit = 500

const pageTitle = (text: string): string | undefined => {
  // Only the head is looked at: a page can be long.
  const title = /<title[^<>]{0,200}>([^<]{1,500})/i.exec(text.slice(0, 20_000))?.[1]?.replace(/\s+/g, " ").trim()
  return title === "" ? undefined : title
}

/** The code and the words, in the places where this server puts them (protocol F.5) and where relays do. */
const read = (text: string): Statement => {
  const json = Either.getOrUndefined(parseJson(text))
  if (!isJsonObject(json)) {
    const plain = typeof json === "string" ? json : text.trim()
    return { message: plain.startsWith("<") ? pageTitle(plain) : plain }
  }
  const { error } = json
  const nested = isJsonObject(error) ? error : {}
  return {
    code: textIn(nested, "code") ?? textIn(nested, "type") ?? textIn(json, "error") ?? textIn(json, "code"),
    message:
      textIn(nested, "message") ??
      textIn(json, "error_description") ??
      textIn(json, "message") ??
      textIn(json, "detail") ??
      textIn(json, "error")
  }
}

/** The server's error code. */
export const codeOf = (answer: Answer): string | undefined => read(answer.text).code

/** A server's text as people may see it: one line, short, without these secrets and whatever looks like one. */
export const clean = (text: string | undefined, secrets: ReadonlyArray<Redacted.Redacted> = []): string | undefined => {
  if (text === undefined) return undefined
  const line = text.replace(/\s+/g, " ").trim()
  return line === "" ? undefined : Redaction.scrub(line, { secrets: secrets.map(Redacted.value), limit })
}

/** What the response says, as the facts of an error. */
export const factsOf = (answer: Answer, secrets: ReadonlyArray<Redacted.Redacted>): Partial<Failure.Facts> => {
  const { code, message } = read(answer.text)
  return defined({
    status: answer.status,
    code: clean(code, secrets),
    serverMessage: clean(message, secrets),
    requestId: clean(answer.headers["x-request-id"] ?? answer.headers["x-oai-request-id"]),
    cfRay: clean(answer.headers["cf-ray"])
  })
}
