/** Recorded streams of several servers: folded, cut, and damaged one field at a time. */
import { assert, describe, it } from "@effect/vitest"
import { ResponseEvent } from "@effect-codex/schema"
import { TurnDecoder } from "@effect-codex/stream"
import * as Schema from "effect/Schema"
import { exhaustive, stepOf } from "../../../test/exhaustive.ts"
import { describeShared } from "../../../test/shared.ts"
import { mutants } from "./mutate.ts"
import * as Shared from "./shared.ts"
import { concat, decodeText, encode, frames, realistic, shown } from "./support.ts"

type Wire = Readonly<Record<string, unknown>>

/** Lets the test runner hear of a test that takes minutes. */
const breathe = (n: number): Promise<void> | undefined =>
  exhaustive && n % 1000 === 0 ? new Promise((resolve) => setImmediate(resolve)) : undefined
const timeout = exhaustive ? 900_000 : 60_000

interface Response {
  readonly name: string
  readonly events: ReadonlyArray<Wire>
}

/** The same tests of a response of our own making and of every recorded one. */
const ofEach = (count: number, tests: (response: Response) => void) => {
  tests({ name: "a realistic turn", events: realistic() })
  describeShared("recorded", { path: "recordings", count }, (folder) => {
    for (const { name, responses } of Shared.readRecordings(folder))
      responses.forEach((events, n) => tests({ name: `${name} #${n + 1}`, events }))
  })
}

const asArray = (value: unknown): ReadonlyArray<Wire> => (Array.isArray(value) ? value : [])

/** The text and the calls of a list of output items; a call that says that it is not complete must not be carried out. */
const contentOf = (items: ReadonlyArray<Wire>) => ({
  text: items
    .filter((item) => item["type"] === "message")
    .flatMap((item) => asArray(item["content"]).map((part) => (part["type"] === "output_text" ? part["text"] : "")))
    .join(""),
  calls: items
    .filter((item) => (item["status"] ?? "completed") === "completed")
    .flatMap((item) => {
      switch (item["type"]) {
        case "function_call":
        case "custom_tool_call":
          return [{ callId: item["call_id"], name: item["name"], arguments: item["arguments"] ?? item["input"] }]
        case "local_shell_call":
          return [{ callId: item["call_id"], name: "local_shell", arguments: JSON.stringify(item["action"]) }]
        default:
          return []
      }
    })
})

describe("recordings", () => {
  ofEach(48, ({ events, name }) => {
    const last = events.at(-1) ?? {}
    const final = (last["response"] ?? {}) as Wire
    const whole = decodeText(frames(events))

    it(`folds to its own output: ${name}`, () => {
      if (last["type"] === "response.failed") {
        assert.isUndefined(whole.turn)
        assert.strictEqual(whole.failure?.code, (final["error"] as Wire)["code"])
        return
      }
      assert.isUndefined(whole.failure)
      const done = events.filter((event) => event["type"] === "response.output_item.done").map((event) => event["item"])
      // some servers leave the output of the terminal event empty
      const output = asArray(final["output"]).length > 0 ? asArray(final["output"]) : (done as ReadonlyArray<Wire>)
      const turn = whole.turn
      assert.isDefined(turn)
      const expected = contentOf(output)
      assert.strictEqual(turn?.text, expected.text)
      assert.strictEqual(shown(whole.events), expected.text)
      assert.deepStrictEqual(
        turn?.toolCalls.map(({ arguments: args, callId, name }) => ({ callId, name, arguments: args })) as unknown,
        expected.calls as unknown
      )
      assert.lengthOf(turn?.items ?? [], output.length)
      assert.deepStrictEqual(
        turn?.items.map((item) => String(item.type)) as unknown,
        output.map((item) => item["type"]) as unknown
      )
      assert.strictEqual(turn?.usage?.totalTokens, (final["usage"] as Wire | undefined)?.["total_tokens"] as number)
      assert.strictEqual(turn?.diagnostics.malformed, 0)
    })

    it(`truncated at any byte it is not a success: ${name}`, { timeout }, async () => {
      const end = events.findIndex((event) => ResponseEvent.isTerminalType(String(event["type"]))) + 1
      const bytes = encode(frames(events.slice(0, end)))
      const text = shown(whole.events)
      // only the terminal event's blank line may be missing
      const length = bytes.length - 2
      const step = stepOf(length, 40)
      const places = Array.from({ length: Math.ceil(length / step) }, (_, n) => n * step)
      const fed = new TurnDecoder.TurnDecoder()
      let at = 0
      let seen = ""
      for (const [n, place] of places.entries()) {
        await breathe(n)
        seen += shown(fed.push(bytes.subarray(at, place)))
        at = place
        assert.isFalse(fed.done)
        const { failure, text: partial } = cut(bytes.subarray(0, place))
        assert.strictEqual(failure, "StreamTruncated")
        assert.isTrue(text.startsWith(seen))
        assert.isTrue(text.startsWith(partial))
      }
    })
  })

  const cut = (bytes: Uint8Array) => {
    const decoder = new TurnDecoder.TurnDecoder()
    decoder.push(bytes)
    decoder.end()
    assert.isUndefined(decoder.turn)
    return { failure: decoder.failure?._tag, text: decoder.failure?.partial?.text ?? "" }
  }

  it("the realistic turn, cut at every byte: the whole turn, or an error whose text is a beginning of its text", () => {
    const bytes = encode(frames(realistic()))
    const whole = decodeText(frames(realistic()))
    const terminal = bytes.length - encode(frames(realistic().slice(-1))).length
    for (let at = 0; at <= bytes.length; at++) {
      const { events, failure, turn } = (() => {
        const decoder = new TurnDecoder.TurnDecoder()
        const events = [...decoder.push(bytes.subarray(0, at)), ...decoder.end()]
        return { events, failure: decoder.failure, turn: decoder.turn }
      })()
      if (turn === undefined) {
        assert.strictEqual(failure?._tag, "StreamTruncated")
        assert.isTrue(whole.turn?.text.startsWith(failure?.partial?.text ?? "?"))
        assert.isFalse(events.some((event) => event._tag === "TurnCompleted"))
      } else {
        // only the blank line may be missing
        assert.isAbove(at, terminal)
        assert.isAtLeast(at, bytes.length - 2)
        assert.deepStrictEqual({ ...turn, diagnostics: 0 }, { ...whole.turn, diagnostics: 0 } as never)
      }
    }
  })
})

describe("mutations", () => {
  const schemaOf = (type: string): Schema.Schema.AnyNoContext | undefined =>
    (ResponseEvent.byType as Readonly<Record<string, Schema.Schema.AnyNoContext>>)[type] ??
    (ResponseEvent.hosted.has(type) ? ResponseEvent.HostedEvent : undefined)

  /** One event of each shape of a response: damaging the same delta a hundred times shows nothing new. */
  const shapes = (events: ReadonlyArray<Wire>) => {
    const seen = new Set<string>()
    return events.flatMap((event, at) => {
      const shape = `${event["type"]} ${JSON.stringify(event, (_, value) => (typeof value === "object" ? value : 0))}`
      if (seen.has(shape)) return []
      seen.add(shape)
      return [{ event, at }]
    })
  }

  /** Long output repeats itself: the fields of the first items stand for the others. */
  const slim = (event: Wire): Record<string, unknown> =>
    JSON.parse(JSON.stringify(event), (key, value) =>
      Array.isArray(value) && key !== "output" && value.length > 2 ? value.slice(0, 2) : value
    )

  ofEach(24, ({ events, name }) => {
    it(`every field left out or of another type: ${name}`, { timeout }, async () => {
      const frameBytes = events.map((event) => encode(frames([event])))
      let checked = 0
      for (const { at, event } of shapes(events)) {
        const type = String(event["type"])
        const schema = schemaOf(type)
        const before = concat(frameBytes.slice(0, at))
        const after = concat(frameBytes.slice(at + 1))
        const baseline = new TurnDecoder.TurnDecoder()
        baseline.push(before)
        // nothing is read behind the terminal event
        if (baseline.done) break
        const driftBefore = baseline.state.diagnostics.driftCount
        const all = mutants(slim(event))
        // spread over the fields, so that the largest recordings stay quick
        const step = stepOf(all.length, 10)
        for (let n = checked % step; n < all.length; n += step) {
          const mutant = all[n]
          if (mutant === undefined) continue
          await breathe(checked++)
          const decoder = new TurnDecoder.TurnDecoder()
          decoder.push(before)
          decoder.push(encode(`event: ${type}\ndata: ${JSON.stringify(mutant.event)}\n\n`))
          const isTerminal = ResponseEvent.isTerminalType(type)
          assert.strictEqual(decoder.done, isTerminal, mutant.name)
          // what contradicts an earlier event is a difference of its own
          const drift = decoder.state.diagnostics.drift
            .slice(Math.min(driftBefore, 20))
            .filter(({ field }) => !/^(?:differs|repeats) /.test(field))
          const claimsItsType = mutant.event["type"] === type || typeof mutant.event["type"] !== "string"
          if (schema !== undefined && claimsItsType && driftBefore < 15) {
            const fits = Schema.is(schema)(mutant.event)
            assert.lengthOf(drift, fits ? 0 : 1, mutant.name)
          }
          decoder.push(after)
          decoder.end()
          assert.isTrue(decoder.done, mutant.name)
          if (decoder.turn !== undefined)
            assert.strictEqual(decoder.state.diagnostics.lastEventType, events.at(-1)?.["type"] as string)
        }
      }
      assert.isAbove(checked, 30)
    })
  })
})
