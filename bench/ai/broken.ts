/** Turns that break after a call was complete: nobody may carry it out. */
import { Script } from "@effect-codex/testing"

type Event = Readonly<Record<string, unknown>> & { readonly type: string }

const events = Script.turnEvents({
  toolCalls: [{ name: "read_file", arguments: { path: "a" } }]
}) as ReadonlyArray<Event>
const before = events.slice(0, -1)
const failed = { id: "resp_1", status: "failed", error: { code: "server_error", message: "boom" } }

export const broken: Readonly<Record<string, ReadonlyArray<Event>>> = {
  "call-then-cut": before,
  "call-then-failed": [...before, { type: "response.failed", sequence_number: before.length, response: failed }]
}
