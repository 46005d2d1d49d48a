import type * as Script from "@effect-codex/testing/Script"

/** A request to the turn endpoint, for what is called without a backend. */
export const request = (fields: Partial<Script.Request> = {}): Script.Request => ({
  number: 1,
  method: "POST",
  url: "https://chatgpt.com/backend-api/codex/responses",
  path: "/backend-api/codex/responses",
  headers: {},
  body: undefined,
  receivedAt: 0,
  ...fields
})

/** The text of a step's body. */
export const text = (step: Script.Step, to: Script.Request = request()): string =>
  Array.from(step.body(to), ({ bytes }) => new TextDecoder().decode(bytes)).join("")
