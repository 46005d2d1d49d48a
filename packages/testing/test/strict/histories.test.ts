/** Items of every type with every odd field, as histories of the client: the strict backend refuses none of them. */
import { assert, describe, it } from "@effect/vitest"
import * as TestCodex from "@effect-codex/testing/TestCodex"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { Codex, type History, Message } from "effect-codex"
import { stepOf } from "../../../../test/exhaustive.ts"

type Json = Record<string, unknown>

const text = [{ type: "input_text", text: "hello" }]
const call = { call_id: "call_1", name: "look" }
const encrypted_content = "gAAAAABnothing"

/** An item of each type, with all its fields. */
const wholeItems: ReadonlyArray<Json> = [
  ...["user", "assistant", "developer", "system"].map((role) => ({
    type: "message",
    role,
    id: "msg_1",
    content: text
  })),
  { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "so" }], content: null, encrypted_content },
  { type: "function_call", id: "fc_1", ...call, namespace: "n", arguments: "{}", status: "completed" },
  { type: "function_call_output", call_id: "call_1", output: "17" },
  { type: "custom_tool_call", id: "ctc_1", ...call, input: "x", status: "completed" },
  { type: "custom_tool_call_output", call_id: "call_1", output: text },
  { type: "tool_search_call", id: "tsc_1", call_id: "call_1", execution: "client", arguments: { query: "x" } },
  { type: "tool_search_output", call_id: "call_1", execution: "client", tools: [], status: "completed" },
  { type: "web_search_call", id: "ws_1", status: "completed", action: { type: "search", query: "x" } },
  { type: "image_generation_call", id: "ig_1", status: "completed", result: "aGk=", revised_prompt: "x" },
  {
    type: "local_shell_call",
    id: "lsh_1",
    call_id: "call_1",
    status: "completed",
    action: { type: "exec", command: [] }
  },
  { type: "local_shell_call_output", id: "call_1", output: "x" },
  { type: "compaction", id: "cmp_1", encrypted_content },
  { type: "compaction_summary", id: "cmp_1", encrypted_content },
  { type: "context_compaction", id: "cmp_1", encrypted_content },
  { type: "compaction_trigger" },
  { type: "configuration_update", reasoning: { effort: "high" } },
  { type: "additional_tools", role: "developer", tools: [] },
  { type: "item_reference", id: "rs_1" }
]

const oddValues: ReadonlyArray<unknown> = [undefined, null, "", "\ud800", 7.5, [7], { a: 1 }]

const oddOf = (item: Json): ReadonlyArray<Json> =>
  Object.keys(item)
    .filter((field) => field !== "type")
    .flatMap((field) => oddValues.map((value) => ({ ...item, [field]: value })))

describe("a history of items with odd fields", () => {
  for (const whole of wholeItems) {
    it.effect(`is refused nothing: ${whole["type"]} ${whole["role"] ?? ""}`.trim(), () =>
      Effect.gen(function* () {
        const codex = yield* Codex.Codex
        for (const item of [whole, ...oddOf(whole).filter((_, n) => n % stepOf(oddValues.length, 3) === 0)]) {
          // what was there before the last answer is mended without a question
          const input = [Message.user("one"), item as History.Entry, Message.assistant("so"), Message.user("two")]
          const turn = yield* Effect.either(codex.turn({ input }))
          // content that the server did not encrypt itself cannot be told from its own
          if (Either.isLeft(turn)) assert.include(turn.left.message, "encrypted content", JSON.stringify(item))
        }
      }).pipe(Effect.provide(TestCodex.layerStrict()))
    )
  }
})
