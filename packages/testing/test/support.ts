import * as Request from "@effect-codex/testing/Request"
import type * as Script from "@effect-codex/testing/Script"

/** A request to the turn endpoint, for what is called without a backend. */
export const request = Request.make

/** The text of a step's body. */
export const text = (step: Script.Step, to: Script.Request = request()): string =>
  Array.from(step.body(to), ({ bytes }) => new TextDecoder().decode(bytes)).join("")
