import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { defined } from "@effect-codex/schema/Defined"
import * as ErrorStatement from "@effect-codex/schema/ErrorStatement"
import type * as Failure from "@effect-codex/schema/Failure"
import * as Redaction from "@effect-codex/schema/Redaction"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"

/** A complete response of the login server. */
export interface Answer {
  readonly status: number
  readonly text: string
  readonly headers: Readonly<Record<string, string | undefined>>
}

/** The maximum size of a body, in bytes. Tokens have a few thousand. */
const bodyLimit = 1_048_576

/** Reads a body. The rest of one that is too large is cancelled. */
export const readText = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<string, HttpClientError.ResponseError> =>
  Effect.gen(function* () {
    const decoder = new TextDecoder()
    let text = ""
    yield* Stream.runForEachWhile(response.stream, (bytes) =>
      Effect.sync(() => {
        text += decoder.decode(bytes, { stream: true })
        return text.length < bodyLimit
      })
    )
    return text + decoder.decode()
  }).pipe(
    Effect.catchIf(
      (error) => error.reason === "EmptyBody",
      () => Effect.succeed("")
    )
  )

/** The maximum length of a server message. */
const limit = 500

const read = (text: string): { readonly code?: string | undefined; readonly message?: string | undefined } => {
  const { code, message, type } = ErrorStatement.fromText(text)
  return { code: code ?? type, message }
}

/** The server's error code. */
export const codeOf = (answer: Answer): string | undefined => read(answer.text).code

/**
 * Makes a server message safe to show: one line, truncated, without these secrets and anything that looks like a
 * secret.
 */
export const clean = (text: string | undefined, secrets: ReadonlyArray<Redacted.Redacted> = []): string | undefined => {
  if (text === undefined) return undefined
  const line = text.replace(/\s+/g, " ").trim()
  return line === ""
    ? undefined
    : Redaction.scrub(line, { secrets: secrets.map(Redacted.value).flatMap(Redaction.forms), limit })
}

/** The facts of an error from a response. */
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
