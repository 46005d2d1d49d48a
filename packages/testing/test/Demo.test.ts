import { assert, describe, it } from "@effect/vitest"
import * as Demo from "@effect-codex/testing/Demo"
import type * as Script from "@effect-codex/testing/Script"
import * as Support from "./support.ts"

const request = (number: number, body: unknown) => Support.request({ number, body })

const doneItems = (step: Script.Step, number: number) =>
  Array.from(step.body(request(number, undefined)), (part) => new TextDecoder().decode(part.bytes)).flatMap((frame) => {
    const event = JSON.parse(frame.slice(frame.indexOf("data: ") + 6)) as {
      readonly type: string
      readonly item?: unknown
    }
    return event.type === "response.output_item.done" ? [event.item as Record<string, unknown>] : []
  })

const tool = {
  type: "function",
  name: "current_weather",
  parameters: {
    type: "object",
    properties: {
      city: { type: "string" },
      unit: { enum: ["celsius", "fahrenheit"] },
      days: { type: "integer" },
      note: { type: "string" }
    },
    required: ["city", "unit", "days"]
  }
}
const question = {
  type: "message",
  role: "user",
  content: [{ type: "input_text", text: "How is the weather in Prague today?" }]
}

describe("Demo", () => {
  const first = request(1, { input: [question], tools: [tool] })

  it("thinks, speaks and calls the tool with arguments that fit it", () => {
    const [reasoning, message, call] = doneItems(Demo.script(first, []), 1)
    assert.strictEqual(reasoning?.["type"], "reasoning")
    assert.strictEqual(message?.["phase"], "commentary")
    assert.deepInclude(call, {
      type: "function_call",
      name: "current_weather",
      arguments: '{"city":"Prague","unit":"celsius","days":1}'
    })
  })

  it("answers with what the tool said", () => {
    const items = doneItems(Demo.script(first, []), 1)
    const output = { type: "function_call_output", call_id: items[2]?.["call_id"], output: "sunny, 24 °C" }
    const second = request(2, { input: [question, ...items, output], tools: [tool] })
    const [, message, ...rest] = doneItems(Demo.script(second, [first]), 2)
    assert.deepStrictEqual(rest, [])
    assert.deepNestedInclude(message, {
      phase: "final_answer",
      "content[0].text": "Here is what I found: sunny, 24 °C"
    })
  })

  it("answers a next question afresh", () => {
    const output = { type: "function_call_output", call_id: "c", output: [{ type: "input_text", text: "sunny" }] }
    const items = doneItems(Demo.script(request(3, { input: [question, output, question], tools: [tool] }), []), 3)
    assert.strictEqual(items.at(-1)?.["type"], "function_call")
  })

  it("answers without tools, and whatever else comes", () => {
    for (const body of [{ input: [question] }, { input: [] }, {}, "text", undefined]) {
      assert.deepStrictEqual(
        doneItems(Demo.script(request(1, body), []), 1).map((item) => item["type"]),
        ["reasoning", "message"]
      )
    }
  })
})
