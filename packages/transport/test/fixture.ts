import { assert } from "@effect/vitest"
import type { CodexAuth } from "@effect-codex/auth/CodexAuth"
import * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"
import type * as Script from "@effect-codex/testing/Script"
import * as ScriptedBackend from "@effect-codex/testing/ScriptedBackend"
import * as TestAuth from "@effect-codex/testing/TestAuth"
import { CodexConfig, CodexTransport } from "@effect-codex/transport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"

/** The transport before a scripted backend, in the time of the test's clock. */
export const scripted = (
  script: Script.Script,
  options: CodexConfig.Options = {},
  auth: Layer.Layer<CodexAuth> = TestAuth.layer()
) =>
  CodexTransport.layer.pipe(
    Layer.provideMerge(ScriptedBackend.layer(script)),
    Layer.provide([CodexConfig.layer(options), auth])
  )

export const request = ResponsesRequest.make({
  model: "gpt-5.5",
  instructions: "Be brief.",
  input: [{ type: "message", role: "user", content: [{ type: "input_text", text: "Ping?" }] }]
})

export const textOf = (response: CodexTransport.CodexResponse) =>
  response.body.pipe(Stream.decodeText(), Stream.mkString)

/** The headers the backend got with the request of this number. */
export const headersOf = (number: number) =>
  Effect.gen(function* () {
    const backend = yield* ScriptedBackend.ScriptedBackend
    const all = yield* backend.requests
    return all[number - 1]?.headers ?? {}
  })

/** Credentials that name their parts, so that tests can look for them. */
export const credentials = (name: string) => ({
  accessToken: Redacted.make(`access-${name}`),
  accountId: Redacted.make(`account-${name}`),
  isFedramp: false
})

/** That an error has these fields. (The assertions of chai cannot print an error that does not.) */
export const assertFields = (actual: unknown, expected: Readonly<Record<string, unknown>>, message?: string) => {
  const fields = Object.fromEntries(
    Object.keys(expected).map((key) => [key, (actual as Readonly<Record<string, unknown>> | undefined)?.[key]])
  )
  assert.deepStrictEqual(fields, expected, message)
}
