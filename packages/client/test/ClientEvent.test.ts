import { assert, describe, it } from "@effect/vitest"
import { Tool } from "@effect-codex/schema"
import { Script, TestCodex } from "@effect-codex/testing"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { ClientEvent, Conversation, Toolkit } from "effect-codex"
import { run } from "./support.ts"

const pay = Toolkit.handler(Tool.unsafeMake({ name: "pay", parameters: Schema.Struct({ card: Schema.String }) }), () =>
  Effect.succeed("canary-output")
)

const bodyOf = (script: Script.Script) =>
  Effect.gen(function* () {
    const conversation = yield* Conversation.make({ tools: [pay] })
    const text = yield* run(Stream.mkString(Stream.decodeText(ClientEvent.toBody(conversation.run("Go")))))
    const events = text
      .split("\n\n")
      .slice(0, -1)
      .map((frame) => Schema.decodeSync(Schema.parseJson(ClientEvent.ClientEvent))(frame.split("\ndata: ")[1] ?? ""))
    return { text, events }
  }).pipe(Effect.provide(TestCodex.layer(script)))

describe("ClientEvent", () => {
  it.effect("shows what there is to show, and nothing of the account, the reasoning or the arguments", () =>
    Effect.gen(function* () {
      const { events, text } = yield* bodyOf([
        Script.turn({ reasoning: "Hm.", toolCalls: [{ name: "pay", arguments: { card: "canary-card" } }] }).pipe(
          Script.headers({
            "x-codex-turn-state": "canary-token",
            "x-codex-primary-used-percent": "12.5",
            "x-request-id": "canary-request"
          })
        ),
        Script.turn({ text: "Paid." })
      ])
      assert.deepStrictEqual(
        events.map(({ _tag }) => _tag).filter((tag, index, all) => tag !== all[index - 1]),
        ["Reasoning", "ToolCall", "Completed", "ToolResult", "Text", "Completed"]
      )
      const last = events.at(-1)
      assert.strictEqual(last?._tag === "Completed" && last.text, "Paid.")
      assert.notMatch(text, /canary|encrypted|12\.5|resp_|req_|rs_/)
    })
  )

  it.effect("ends with what failed", () =>
    Effect.gen(function* () {
      const { events } = yield* bodyOf([Script.usageLimit()])
      const last = events.at(-1)
      assert.deepInclude(last, { _tag: "Failed", reason: "UsageLimit", group: "account" })
    })
  )
})
