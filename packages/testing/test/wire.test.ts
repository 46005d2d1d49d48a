/** Scripted events look like the backend's own: keys, their order, and what pads them. */
import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Script from "@effect-codex/testing/Script"
import { describeShared } from "../../../test/shared.ts"
import * as Delta from "../../stream/src/internal/delta.ts"
import { request } from "./support.ts"

type Json = Record<string, unknown>

const turns: ReadonlyArray<Script.Turn> = [
  {
    reasoning: ["One", "Two"],
    text: 'Grüße, "world"\n🌍!',
    toolCalls: [
      { name: "f", arguments: { path: "a\\b", text: "x\u0000y" } },
      { name: "g", namespace: "ns", input: "raw" }
    ]
  },
  { reasoning: [], text: "Only text, longer than one delta of sixteen characters", deltaSize: 17 },
  { refusal: "No." },
  { text: "Half", failed: { code: "server_error", message: "Oh." } },
  { text: "Half", incomplete: "max_output_tokens" }
]
const events = turns.flatMap((turn) => Script.turnEvents(turn)) as ReadonlyArray<Json>
const deltas = events.filter((event) => String(event["type"]).endsWith(".delta"))

const keys = (value: unknown) => Object.keys(value as Json).join()

describe("scripted events", () => {
  it("have the type first and the sequence number second, counted from 0", () => {
    for (const turn of turns) {
      Script.turnEvents(turn).forEach((event, n) => {
        assert.deepStrictEqual(Object.keys(event).slice(0, 2), ["type", "sequence_number"])
        assert.strictEqual(event["sequence_number"], n)
      })
    }
  })

  it("take the decoder's fast path wherever there is one, and mean the same there", () => {
    assert.deepStrictEqual([...new Set(deltas.map((event) => event["type"]))].sort(), [
      "response.custom_tool_call_input.delta",
      "response.function_call_arguments.delta",
      "response.output_text.delta",
      "response.reasoning_summary_text.delta",
      "response.refusal.delta"
    ])
    for (const event of deltas) {
      const read = Delta.read(JSON.stringify(event))
      assert.isDefined(read, JSON.stringify(event))
      assert.strictEqual(read?.delta, event["delta"])
      assert.strictEqual(read?.item_id, event["item_id"])
    }
  })

  it("pad each delta to a multiple of 16 characters, differently each time", () => {
    for (const event of deltas) {
      assert.strictEqual((String(event["delta"]).length + String(event["obfuscation"]).length) % 16, 0)
    }
    for (const turn of turns) {
      const pads = Script.turnEvents(turn).flatMap((event) => event["obfuscation"] ?? [])
      // a short pad may come twice by chance
      const long = pads.filter((pad) => String(pad).length > 4)
      assert.strictEqual(new Set(long).size, long.length)
    }
  })

  it("have the keys of the backend in its order", () => {
    const orders = (type: string) => new Set(events.filter((event) => event["type"] === type).map(keys))
    const items = new Set(events.flatMap((event) => (event["item"] === undefined ? [] : [keys(event["item"])])))
    assert.deepStrictEqual(
      orders("response.output_text.delta"),
      new Set(["type,sequence_number,item_id,output_index,content_index,delta,logprobs,obfuscation"])
    )
    assert.deepStrictEqual(
      orders("response.function_call_arguments.delta"),
      new Set(["type,sequence_number,item_id,output_index,delta,obfuscation"])
    )
    assert.deepStrictEqual(orders("response.output_item.done"), new Set(["type,sequence_number,output_index,item"]))
    assert.deepStrictEqual(
      items,
      new Set([
        "id,type,content,encrypted_content,summary",
        "id,type,status,content,phase,role",
        "id,type,status,arguments,call_id,name",
        "id,type,status,call_id,input,name,namespace"
      ])
    )
  })

  it("echo the request in a full response object, whose output stays empty", () => {
    const body = {
      model: "gpt-6-sol",
      instructions: "Be brief.",
      tools: [{ type: "function", name: "f" }],
      tool_choice: "required",
      parallel_tool_calls: false,
      reasoning: { effort: "high", summary: "auto" },
      text: { verbosity: "low" },
      prompt_cache_key: "c1"
    }
    const sent = Script.turnEvents(
      { text: "x", endTurn: true },
      request({ number: 3, body, receivedAt: 1_795_000_000_500 })
    )
    const responses = sent.flatMap((event) => (event["response"] === undefined ? [] : [event["response"] as Json]))
    assert.lengthOf(responses, 3)
    for (const response of responses) {
      assert.deepInclude(response, {
        ...body,
        id: "resp_3",
        created_at: 1_795_000_000,
        store: false,
        output: [],
        text: { format: { type: "text" }, verbosity: "low" }
      })
    }
    assert.deepStrictEqual(
      responses.map((response) => [response["status"], response["usage"] === null, response["end_turn"]]),
      [
        ["in_progress", true, undefined],
        ["in_progress", true, undefined],
        ["completed", false, true]
      ]
    )
  })

  it("have encrypted content that is the same for the same request, and another for another backend", () => {
    const content = (salt: string) =>
      JSON.stringify(Script.turnEvents({ reasoning: "Hm" }, { salt })).match(/gAAAA[^"]*/g)
    assert.deepStrictEqual(content("a"), content("a"))
    assert.strictEqual(new Set([...(content("a") ?? []), ...(content("b") ?? [])]).size, 4)
  })
})

describeShared("scripted events beside recorded ones", { path: "recordings", count: 1 }, (folder) => {
  const recorded = readdirSync(folder)
    .filter((file) => /^(?:openai|azure)-/.test(file))
    .flatMap((file) => readFileSync(`${folder}/${file}`, "utf8").trim().split("\n"))
    .map((line) => JSON.parse(line) as Json)
    // without a number it was written by hand
    .filter((event) => "sequence_number" in event)
  const inOrder = recorded.filter((event) => Object.keys(event)[1] === "sequence_number")

  /** Keys that recordings of the public API lack and this backend sends (protocol C.5, D.4). */
  const ours = new Set(["phase", "content", "encrypted_content", "namespace", "cache_write_tokens", "end_turn"])

  /** Every object of a kind in all events; a kind is a place and a type. */
  const kinds = (events: ReadonlyArray<Json>): Map<string, Array<ReadonlyArray<string>>> => {
    const found = new Map<string, Array<ReadonlyArray<string>>>()
    const visit = (place: string, value: unknown) => {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return
      const { type } = value as Json
      const kind = `${place} ${typeof type === "string" ? type : ""}`
      found.set(kind, [...(found.get(kind) ?? []), Object.keys(value)])
      for (const [key, inner] of Object.entries(value)) if (key !== "metadata") visit(key, inner)
    }
    for (const event of events) visit("event", event)
    return found
  }

  const isSubsequence = (part: ReadonlyArray<string>, whole: ReadonlyArray<string>) => {
    let at = 0
    for (const key of whole) if (key === part[at]) at++
    return at === part.length
  }

  it("have the recorded keys in the recorded order", () => {
    // items, parts and usage are ordered alike in every recording; a few sort the keys of events and responses by name
    const theirs = new Map([...kinds(recorded), ...kinds(inOrder)])
    const compared = new Set<string>()
    for (const [kind, orders] of kinds(events)) {
      const known = theirs.get(kind)
      if (known === undefined) continue
      compared.add(kind)
      for (const order of orders) {
        const fits = known.some(
          (recorded) =>
            isSubsequence(
              recorded.filter((key) => key !== "namespace" || order.includes(key)),
              order
            ) && order.every((key) => recorded.includes(key) || ours.has(key))
        )
        assert.isTrue(
          fits,
          `${kind}: ${order.join()} is none of ${[...new Set(known.map((k) => k.join()))].join(" | ")}`
        )
      }
    }
    for (const kind of [
      "event response.created",
      "event response.completed",
      "event response.failed",
      "event response.output_item.added",
      "event response.content_part.done",
      "event response.output_text.delta",
      "event response.output_text.done",
      "response ",
      "item message",
      "item reasoning",
      "item function_call",
      "part output_text",
      "usage "
    ]) {
      assert.include([...compared], kind)
    }
  })
})
