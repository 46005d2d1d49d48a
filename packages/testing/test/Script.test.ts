import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as ResponseEvent from "@effect-codex/schema/ResponseEvent"
import * as Script from "@effect-codex/testing/Script"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { draw, forAll } from "../../../test/property.ts"
import { describeShared } from "../../../test/shared.ts"
import * as Support from "./support.ts"

const request = (number: number, path = "/backend-api/codex/responses") =>
  Support.request({ number, path, url: `https://chatgpt.com${path}` })

const types = (turn: Script.Turn) => Script.turnEvents(turn).map((event) => event["type"])

describe("Script.turn", () => {
  const turn: Script.Turn = {
    reasoning: ["One", "Two"],
    text: "Hello, world",
    toolCalls: [
      { name: "f", arguments: { a: 1 } },
      { name: "g", input: "raw" }
    ]
  }

  it("sends the life cycle in order", () => {
    assert.deepStrictEqual(types({ ...turn, deltaSize: 100 }), [
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      ...["One", "Two"].flatMap(() => [
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done"
      ]),
      "response.output_item.done",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.output_item.added",
      "response.function_call_arguments.delta",
      "response.function_call_arguments.done",
      "response.output_item.done",
      "response.output_item.added",
      "response.custom_tool_call_input.delta",
      "response.custom_tool_call_input.done",
      "response.output_item.done",
      "response.completed"
    ])
  })

  it("sends events the wire schemas know", () => {
    for (const value of [
      turn,
      { refusal: "No." },
      { text: "x", incomplete: "max_output_tokens" },
      { ...turn, usage: null }
    ]) {
      for (const event of Script.turnEvents(value)) {
        const schema = ResponseEvent.byType[event["type"] as keyof typeof ResponseEvent.byType]
        assert.isDefined(schema, String(event["type"]))
        Schema.decodeUnknownSync(schema as Schema.Schema<unknown>)(event)
      }
    }
  })

  it("ends with an empty output and the usage", () => {
    assert.deepNestedInclude(Script.turnEvents({ ...turn, usage: { inputTokens: 7, outputTokens: 3 } }).at(-1), {
      "response.output": [],
      "response.status": "completed",
      "response.usage.input_tokens": 7,
      "response.usage.total_tokens": 10
    })
  })

  it("gives every request its own ids, and items their phase and encrypted content", () => {
    const done = (number: number) =>
      Script.turnEvents(turn, { number }).flatMap((event) =>
        event["type"] === "response.output_item.done" ? [event["item"] as Record<string, unknown>] : []
      )
    assert.deepStrictEqual(
      done(3).map((item) => item["id"]),
      ["rs_3_0", "msg_3_1", "fc_3_2", "ctc_3_3"]
    )
    assert.match(String(done(3)[0]?.["encrypted_content"]), /^gAAAA/)
    assert.notStrictEqual(done(3)[0]?.["encrypted_content"], done(4)[0]?.["encrypted_content"])
    assert.strictEqual(done(3)[1]?.["phase"], "commentary")
    assert.notStrictEqual(done(3)[2]?.["call_id"], done(4)[2]?.["call_id"])
  })

  it("leaves the last item open when the turn fails or is cut short", () => {
    for (const end of [{ failed: { code: "server_error", message: "Oh." } }, { incomplete: "content_filter" }]) {
      const sent = types({ reasoning: "Hm", text: "Hel", ...end })
      assert.lengthOf(
        sent.filter((type) => type === "response.output_item.added"),
        2
      )
      assert.lengthOf(
        sent.filter((type) => type === "response.output_item.done"),
        1
      )
      assert.strictEqual(sent.at(-1), "failed" in end ? "response.failed" : "response.incomplete")
    }
  })

  it("splits text into deltas that make it whole again", () =>
    forAll([draw.fullUnicodeString(), draw.integer({ min: 1, max: 9 })], (text, deltaSize) => {
      const deltas = Script.turnEvents({ text, deltaSize }).flatMap((event) =>
        event["type"] === "response.output_text.delta" ? [String(event["delta"])] : []
      )
      assert.strictEqual(deltas.join(""), text)
      assert.isTrue(deltas.every((delta) => Array.from(delta).length <= deltaSize))
    }))
})

describe("Script.routes", () => {
  const script = Script.routes({
    "/codex/responses": [Script.status(201), Script.status(202)],
    "/codex/models": Script.always(Script.status(203))
  })
  const stepFor = (to: Script.Request, earlier: ReadonlyArray<Script.Request>) =>
    Effect.runSync(Script.toResponder(script)(to, earlier))
  const models = "/backend-api/codex/models"

  it("counts the steps of each path on its own", () => {
    const earlier = [request(1), request(2, models), request(3, models)]
    assert.strictEqual(stepFor(request(4), earlier).status, 202)
    assert.strictEqual(stepFor(request(4, models), earlier).status, 203)
  })

  it("says which paths there are", () => {
    const step = stepFor(request(1, "/other"), [])
    assert.strictEqual(step.status, 404)
    assert.include(Support.text(step), "No script for POST /other")
  })
})

describe("Script.recording", () => {
  const created = (id: number) => `{"type": "response.created", "response":{"id":"${id}"}}`
  const completed = `{"type":"response.completed","response":{}}`

  it("sends each line as it stands", () => {
    const [step] = Script.recording(`${created(1)}\r\n\n${completed}\n`)
    assert.strictEqual(
      Support.text(step as Script.Step),
      `event: response.created\ndata: ${created(1)}\n\nevent: response.completed\ndata: ${completed}\n\n`
    )
  })

  it("makes one step of each response", () => {
    assert.lengthOf(Script.recording([created(1), completed, created(2), completed].join("\n")), 2)
    assert.lengthOf(Script.recording(""), 0)
  })

  it("keeps an error and the failure it announces in one response", () => {
    assert.lengthOf(Script.recording([created(1), '{"type":"error"}', '{"type":"response.failed"}'].join("\n")), 1)
  })

  describeShared("plays", { path: "recordings", count: 20 }, (folder) => {
    for (const file of readdirSync(folder)) {
      it(file, () => {
        const lines = readFileSync(`${folder}/${file}`, "utf8").trim().split("\n")
        const steps = Script.recording(lines.join("\n"))
        const data = steps.flatMap((step) =>
          Array.from(Support.text(step).matchAll(/^data: (.*)$/gm), (match) => match[1])
        )
        assert.deepStrictEqual(data, lines)
        assert.lengthOf(steps, lines.filter((line) => JSON.parse(line).type === "response.created").length)
      })
    }
  })
})
