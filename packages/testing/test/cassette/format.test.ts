/** Cassettes as text: exact, readable, sealed. */
import { assert, describe, it } from "@effect/vitest"
import * as Cassette from "@effect-codex/testing/Cassette"
import * as Effect from "effect/Effect"
import { draw, forAll, forAllEffect } from "../../../../test/property.ts"
import * as Document from "../../src/internal/cassette/document.ts"

const encoder = new TextEncoder()

const request: Cassette.Exchange["request"] = {
  method: "POST",
  url: "https://chatgpt.com/backend-api/codex/responses",
  headers: { "content-type": "application/json", "x-empty": "" },
  body: encoder.encode('{"model":"gpt-5.5","input":[]}')
}

const exchange = (chunks: ReadonlyArray<Uint8Array>, more: Partial<Cassette.Exchange> = {}): Cassette.Exchange => ({
  request,
  response: {
    _tag: "Response",
    status: 200,
    wait: 321,
    headers: { "content-type": "text/event-stream" },
    chunks: chunks.map((bytes, n) => ({ bytes, wait: n * 10 })),
    ending: "end",
    endWait: 7
  },
  ...more
})

const bytes = (exchange: Cassette.Exchange) => ({
  ...exchange,
  request: { ...exchange.request, body: Array.from(exchange.request.body) },
  response:
    exchange.response._tag === "Response"
      ? {
          ...exchange.response,
          chunks: exchange.response.chunks.map((chunk) => ({ ...chunk, bytes: Array.from(chunk.bytes) }))
        }
      : exchange.response
})

const roundTrip = (exchanges: ReadonlyArray<Cassette.Exchange>) =>
  Effect.flatMap(Cassette.encode({ exchanges }), Cassette.decode).pipe(
    Effect.map(({ exchanges }) => exchanges.map(bytes))
  )

/** Pieces of event streams, lines that look like the layout's own, what no text can hold, and anything else. */
const piece = draw.oneof(
  draw
    .constantFrom(
      "event: response.output_text.delta\n",
      'data: {"type":"response.output_text.delta","delta":"Grüße \\u0000"}\n\n',
      "data: x\r\n\r\n",
      ": keepalive\n\n",
      "| text\n",
      "= AAAA\n",
      '"quoted"\n',
      "~ {}\n",
      "@ 5 ms\n",
      "< end after 0 ms\n",
      "# 2\n",
      "\n",
      " ",
      "trailing \t\n",
      "\ufeff\u200b\u2028🏴󠁧󠁢\n",
      "🌍"
    )
    .map((text) => encoder.encode(text)),
  draw.fullUnicodeString().map((text) => encoder.encode(text)),
  draw.uint8Array({ maxLength: 20 })
)

const chunked = draw.tuple(draw.array(piece, { maxLength: 12 }), draw.array(draw.nat(400))).map(([pieces, cuts]) => {
  const all = Uint8Array.from(pieces.flatMap((piece) => Array.from(piece)))
  const bounds = [...new Set(cuts.map((cut) => Math.min(cut, all.length)))].sort((a, b) => a - b)
  return [...bounds, all.length].map((end, n, ends) => all.slice(ends[n - 1] ?? 0, end))
})

describe("the text of a cassette", () => {
  it.effect("holds every byte and the bounds of every chunk", () =>
    forAllEffect([draw.array(draw.tuple(chunked, piece), { maxLength: 3 })], (all) => {
      const exchanges = all.map(([chunks, body]) => exchange(chunks, { request: { ...request, body } }))
      return Effect.map(roundTrip(exchanges), (read) => assert.deepStrictEqual(read, exchanges.map(bytes)))
    })
  )

  it.effect("holds every way a response may end or not begin", () =>
    Effect.gen(function* () {
      const response = exchange([encoder.encode("x")]).response
      const exchanges = [
        ...(["end", "reset", "abort"] as const).map((ending) =>
          exchange([], { response: { ...response, ending } as Cassette.Exchange["response"] })
        ),
        ...(["refused", "reset", "abort"] as const).map((reason) =>
          exchange([], { response: { _tag: "NoResponse", reason, wait: 3 } })
        )
      ]
      assert.deepStrictEqual(yield* roundTrip(exchanges), exchanges.map(bytes))
    })
  )

  it.effect("is for people to read", () =>
    Effect.gen(function* () {
      const text = yield* Cassette.encode({
        exchanges: [
          exchange([
            encoder.encode('event: a\ndata: {"text":"Grüße"}\n\n'),
            encoder.encode("data: x\r\n"),
            Uint8Array.of(0xff)
          ])
        ]
      })
      assert.deepStrictEqual(text.split("\n").slice(0, -2), [
        "codex-cassette 1",
        "",
        "# 1",
        "> POST https://chatgpt.com/backend-api/codex/responses",
        "> content-type: application/json",
        "> x-empty:",
        "~ {",
        '~   "model": "gpt-5.5",',
        '~   "input": []',
        "~ }",
        "< 200 after 321 ms",
        "< content-type: text/event-stream",
        "@ 0 ms",
        "| event: a",
        '| data: {"text":"Grüße"}',
        "|",
        "@ 10 ms",
        '"data: x\\r\\n"',
        "@ 20 ms",
        "= /w==",
        "< end after 7 ms",
        ""
      ])
      assert.match(text, /\nsha256 [0-9a-f]{64}\n$/)
    })
  )
})

describe("a cassette that cannot be played", () => {
  const text = Cassette.encode({ exchanges: [exchange([encoder.encode("data: 1\n\n")])] })
  const reason = (text: string) =>
    Effect.map(Effect.flip(Cassette.decode(text)), ({ message, reason }) => [reason, message])

  it.effect("was edited, anywhere, or cut short", () =>
    Effect.gen(function* () {
      const whole = yield* text
      for (const edited of [
        whole.replace("data: 1", "data: 2"),
        whole.replace("after 321 ms", "after 322 ms"),
        whole.replace("> content-type", "> content-length"),
        whole.replace("# 1\n", "# 1\n\n"),
        whole.slice(0, whole.indexOf("sha256")),
        whole.slice(0, -20),
        whole.replace(/sha256 ./, "sha256 x")
      ]) {
        const [found, message] = yield* reason(edited)
        assert.strictEqual(found, "edited")
        assert.include(message, "ecord it again")
      }
    })
  )

  it.effect("is of another version, or is none", () =>
    Effect.gen(function* () {
      const whole = yield* text
      const [version, message] = yield* reason(whole.replace("codex-cassette 1", "codex-cassette 2"))
      assert.strictEqual(version, "version")
      assert.include(message, "It is of version 2")
      for (const other of ["", "hello", '{"type":"x"}', "codex-cassettes 1\n"]) {
        assert.strictEqual((yield* reason(other))[0], "malformed", other)
      }
    })
  )

  it.effect("was sealed although it is not well-formed", () =>
    Effect.gen(function* () {
      const sealed = (lines: ReadonlyArray<string>) => {
        const body = ["codex-cassette 1", ...lines, ""].join("\n")
        return Effect.map(
          Effect.promise(() => crypto.subtle.digest("SHA-256", encoder.encode(body))),
          (sum) => `${body}\nsha256 ${Buffer.from(sum).toString("hex")}\n`
        )
      }
      assert.deepStrictEqual((yield* Cassette.decode(yield* sealed([]))).exchanges, [])
      for (const lines of [
        ["# 1", "> POST"],
        ["# 1", "> POST https://x", "< 2xx after 0 ms"],
        ["# 1", "> POST https://x", "< 200 after 0 ms"],
        ["# 1", "> POST https://x", "< 200 after 0 ms", "@ 0 ms", "= *", "< end after 0 ms"],
        ["# 1", "> POST https://x", "~ {", "< none, reset after 0 ms"],
        ["x"]
      ]) {
        const [found, message] = yield* reason(yield* sealed(lines))
        assert.strictEqual(found, "malformed", lines.join())
        assert.match(message ?? "", /Line \d+ should be/)
      }
    })
  )

  it.effect("is none of these for what editors and checkouts do to the ends of lines", () =>
    Effect.gen(function* () {
      const whole = yield* text
      const stripped = whole.replaceAll(/[ \t]+$/gm, "")
      for (const same of [whole.replaceAll("\n", "\r\n"), whole.trimEnd(), `${whole}\n\n`, stripped]) {
        const { exchanges } = yield* Cassette.decode(same)
        assert.deepStrictEqual(exchanges.map(bytes), [bytes(exchange([encoder.encode("data: 1\n\n")]))])
      }
    })
  )
})

describe("a body that is changed in places", () => {
  it("keeps its other bytes in their chunks", () =>
    forAll(
      [
        chunked,
        draw.array(draw.tuple(draw.nat(60), draw.integer({ min: 1, max: 10 }), draw.string({ maxLength: 12 })), {
          maxLength: 4
        })
      ],
      (chunks, wanted) => {
        const document = Document.make(chunks)
        const edits: Array<Document.Edit> = []
        let at = 0
        for (const [gap, length, text] of wanted) {
          const start = at + gap
          const end = start + length
          if (end > document.text.length) break
          // not between the halves of a character
          if ([start, end].some((place) => /[\udc00-\udfff]/.test(document.text[place] ?? ""))) continue
          edits.push({ start, end, text })
          at = end
        }
        const changed = Document.edit(document, edits)
        let expected = ""
        let from = 0
        for (const { end, start, text } of edits) {
          expected += document.text.slice(from, start) + text
          from = end
        }
        expected += document.text.slice(from)
        assert.strictEqual(changed.text, expected)
        const out = Document.chunks(changed)
        assert.lengthOf(out, chunks.length)
        assert.deepStrictEqual(
          out.flatMap((chunk) => Array.from(chunk)),
          Array.from(Document.encode(expected, document.encoding))
        )
        if (edits.length === 0)
          assert.deepStrictEqual(
            out.map((c) => Array.from(c)),
            chunks.map((c) => Array.from(c))
          )
        // what comes before the first change stays in its chunk
        const first = edits[0]
        if (first === undefined) return
        const untouched = Document.encode(document.text.slice(0, first.start), document.encoding).length
        let size = 0
        for (const [n, chunk] of chunks.entries()) {
          size += chunk.length
          if (size > untouched) break
          assert.deepStrictEqual(Array.from(out[n] ?? []), Array.from(chunk))
        }
      }
    ))
})
