/** Whatever events come, in whatever order and with whatever odd values: what was shown is in the turn and in its items. */
import { assert, describe, it } from "@effect/vitest"
import { Turn, type TurnEvent } from "@effect-codex/schema"
import { fewer } from "../../../test/exhaustive.ts"
import { draw, forAll } from "../../../test/property.ts"
import { decodeText, frames } from "./support.ts"

type Raw = Readonly<Record<string, unknown>>

const index = draw.constantFrom<unknown>(undefined, null, 0, 0, 1, 2, "x")
const id = draw.constantFrom<unknown>(undefined, null, "", "a", "b", "c")
const text = draw.constantFrom<unknown>("", " ", "Hello", "Hel", "lo", "other", null, undefined, 5)
const place = draw.record({
  output_index: index,
  item_id: id,
  content_index: draw.constantFrom<unknown>(undefined, 0, 0, 1),
  summary_index: draw.constantFrom<unknown>(undefined, 0, 1)
})

const oddPart = draw.constantFrom<unknown>(null, {}, "plain", { type: "from_the_future", text: "z" })
const contentPart = draw.oneof(
  text.map((text): unknown => ({ type: "output_text", text })),
  text.map((refusal): unknown => ({ type: "refusal", refusal })),
  oddPart
)
const summaryPart = draw.oneof(
  text.map((text): unknown => ({ type: "summary_text", text })),
  oddPart
)
const oddList = draw.constantFrom<unknown>(null, undefined, "plain", "")

const item = draw.oneof(
  draw
    .tuple(id, draw.oneof(draw.array(contentPart, { maxLength: 3 }), oddList))
    .map(([id, content]): unknown => ({ type: "message", role: "assistant", id, content })),
  draw
    .tuple(id, draw.oneof(draw.array(summaryPart, { maxLength: 3 }), oddList), oddList)
    .map(([id, summary, content]): unknown => ({
      type: "reasoning",
      id,
      summary,
      content,
      encrypted_content: "gAAAA"
    })),
  draw.tuple(id, text).map(([id, args]): unknown => ({
    type: "function_call",
    id,
    call_id: id,
    name: "ls",
    arguments: args
  })),
  id.map((id): unknown => ({ type: "web_search_call", id })),
  draw.constantFrom<unknown>(null, {}, { type: 5 }, "x")
)

const growing = draw.constantFrom(
  "response.output_text",
  "response.refusal",
  "response.reasoning_summary_text",
  "response.reasoning_text",
  "response.function_call_arguments",
  "response.custom_tool_call_input"
)

const event = draw.oneof(
  draw.tuple(place, growing, text).map(([place, type, delta]): Raw => ({ type: `${type}.delta`, ...place, delta })),
  draw.tuple(place, growing, text).map(
    ([place, type, full]): Raw => ({
      type: `${type}.done`,
      ...place,
      text: full,
      refusal: full,
      arguments: full,
      input: full
    })
  ),
  draw.tuple(place, contentPart).map(([place, part]): Raw => ({ type: "response.content_part.done", ...place, part })),
  draw
    .tuple(place, summaryPart)
    .map(([place, part]): Raw => ({ type: "response.reasoning_summary_part.done", ...place, part })),
  draw.tuple(place, item).map(([place, item]): Raw => ({ type: "response.output_item.added", ...place, item })),
  draw.tuple(place, item).map(([place, item]): Raw => ({ type: "response.output_item.done", ...place, item })),
  place.map((place): Raw => ({ type: "response.web_search_call.searching", ...place })),
  place.map((place): Raw => ({ type: "response.output_text.annotation.added", ...place, annotation: 1 }))
)

const shownOf = (event: TurnEvent.TurnEvent): readonly [Turn.ItemText["kind"], string] | undefined => {
  switch (event._tag) {
    case "TextDelta":
      return ["text", event.delta]
    case "RefusalDelta":
      return ["refusal", event.delta]
    default:
      return undefined
  }
}

/** The characters of some texts, whatever their order: deltas of several items can interleave. */
const characters = (texts: ReadonlyArray<string>): string => [...texts.join("")].sort().join("")

describe("any mixture of events", () => {
  it("makes a turn that has what was shown, and items that have it", () => {
    let compared = 0
    forAll(
      [draw.array(event, { maxLength: 10 }), draw.array(item, { maxLength: 3 }), draw.boolean()],
      (events, output, completed) => {
        const status = completed ? "completed" : "incomplete"
        const last = { type: `response.${status}`, response: { status, output } }
        const { decoder, events: all, failure, turn } = decodeText(frames([...events, last]))
        assert.isUndefined(failure)
        if (turn === undefined) return assert.fail("there is no turn")
        assert.deepInclude(turn, Turn.wordsOf(turn.blocks))
        assert.strictEqual(decoder.state.partial().text, turn.text)
        // a text that contradicts an earlier one is in the drift, and cannot be shown twice
        if (turn.diagnostics.drift.some(({ field }) => /^(?:differs|repeats)/.test(field))) return
        compared++
        const shown = all.flatMap((event) => [shownOf(event) ?? []].filter((one) => one.length === 2))
        const kept = turn.items.flatMap((item) => [...Turn.textsOf(item)])
        for (const kind of ["text", "refusal"] as const) {
          const seen = characters(shown.flatMap(([of, text]) => (of === kind ? [text] : [])))
          assert.strictEqual(seen, characters(kept.flatMap((one) => (one.kind === kind ? [one.text] : []))))
          assert.strictEqual(seen, characters([kind === "text" ? turn.text : (turn.refusal ?? "")]))
        }
      },
      { runs: fewer(4000) }
    )
    assert.isAbove(compared, fewer(2000))
  })
})
