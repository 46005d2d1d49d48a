/** The rules of the WHATWG standard, each whole, byte by byte and cut in two everywhere. */
import { assert, describe, it } from "@effect/vitest"
import { Sse } from "@effect-codex/stream"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { byteByByte, concat, encode } from "./support.ts"

type Event = readonly [data: string, event?: string, id?: string]

const rules: ReadonlyArray<readonly [name: string, text: string, events: ReadonlyArray<Event>, unfinished?: boolean]> =
  [
    ["lines end in LF", "data: a\n\ndata: b\n\n", [["a"], ["b"]]],
    ["lines end in CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", [["a"], ["b"]]],
    ["lines end in CR", "data: a\r\rdata: b\r\r", [["a"], ["b"]]],
    ["line ends may be mixed", "data: a\r\ndata: b\ndata: c\r\rdata: d\n\r", [["a\nb\nc"], ["d"]]],
    ["LF CR are two line ends", "data: a\n\rdata: b\n\n", [["a"], ["b"]]],
    ["a lone CR ends the blank line", "data: a\r\n\r", [["a"]]],
    ["a byte order mark is dropped", "\ufeffdata: a\n\n", [["a"]]],
    ["a second byte order mark is part of the field name", "\ufeff\ufeffdata: a\n\n", []],
    ["comments are passed over", ": hello\ndata: a\n:\n:data: b\n\n:\n\n", [["a"]]],
    ["data lines are joined with LF", "data: a\ndata:\ndata: b\n\n", [["a\n\nb"]]],
    ["one space behind the colon is dropped", "data:a\ndata:  b\ndata:\tc\n\n", [["a\n b\n\tc"]]],
    ["a field without colon is empty", "data\n\ndata\ndata\n\n", [[""], ["\n"]]],
    ["an empty data line is an event", "data:\n\n", [[""]]],
    ["a value keeps its colons", "data: a: b:\n\n", [["a: b:"]]],
    ["field names are exact", "Data: a\ndata : b\n data: c\ndatax: d\nda: e\n\n", []],
    ["unknown fields are passed over", "foo: bar\nx\ndata: a\n\n", [["a"]]],
    ["a block without data is no event", "event: x\nid: 1\n\ndata: a\n\n", [["a", "message", "1"]]],
    ["the name holds for one event", "event: x\ndata: a\n\ndata: b\n\n", [["a", "x"], ["b"]]],
    ["the last name counts", "event: x\nevent: y\ndata: a\n\n", [["a", "y"]]],
    ["an empty name is none", "event: x\nevent:\ndata: a\n\n", [["a"]]],
    [
      "the id stays",
      "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
      [["a", "message", "1"], ["b", "message", "1"], ["c"]]
    ],
    [
      "an id with NUL is passed over",
      "id: 1\ndata: a\n\nid: \0\ndata: b\n\n",
      [
        ["a", "message", "1"],
        ["b", "message", "1"]
      ]
    ],
    ["retry is no event", "retry: 10\nretry: x\nretry: 1.5\nretry\ndata: a\n\n", [["a"]]],
    ["NUL and other controls are data", "data: \0\u0001\u2028\u0085\n\n", [["\0\u0001\u2028\u0085"]]],
    ["text beyond ASCII", "data: ä世👩‍👩‍👧\n\n", [["ä世👩‍👩‍👧"]]],
    ["blank lines are nothing", "\n\r\n\r\ndata: a\n\n\n\n", [["a"]]],
    ["an event without its blank line is dropped", "data: a\n\ndata: b\n", [["a"]], true],
    ["a cut line is dropped", "data: a\n\ndata: b", [["a"]], true],
    ["a name without its blank line is dropped", "data: a\n\nevent: b\n", [["a"]], true],
    ["a whole comment at the end is nothing", "data: a\n\n: b\n", [["a"]]],
    ["an empty body", "", []]
  ]

const read = (chunks: ReadonlyArray<Uint8Array>, options?: Sse.Options) => {
  const decoder = new Sse.Decoder(options)
  const events = chunks.flatMap((chunk) => [...decoder.push(chunk)])
  return { decoder, events }
}

const everyCut = (bytes: Uint8Array): ReadonlyArray<ReadonlyArray<Uint8Array>> => [
  [bytes],
  byteByByte(bytes),
  ...Array.from(bytes, (_, at) => [bytes.subarray(0, at), new Uint8Array(0), bytes.subarray(at)])
]

describe("Sse", () => {
  for (const [name, text, expected, unfinished = false] of rules) {
    it(name, () => {
      for (const chunks of everyCut(encode(text))) {
        const { decoder, events } = read(chunks)
        assert.deepStrictEqual(
          events,
          expected.map(([data, event = "message", id = ""]) => ({ event, data, id }))
        )
        assert.strictEqual(decoder.unfinished, unfinished)
        assert.isUndefined(decoder.failure)
      }
    })
  }

  it("an event is out with the CR of its blank line", () => {
    const decoder = new Sse.Decoder()
    assert.lengthOf(decoder.push(encode("data: a\r\n\r")), 1)
    assert.lengthOf(decoder.push(encode("\ndata: b\r")), 0)
    assert.lengthOf(decoder.push(encode("\r")), 1)
  })

  it("a long line in small pieces is the same line", () => {
    const data = Array.from({ length: 20_000 }, (_, n) => String.fromCharCode(97 + (n % 26))).join("")
    const bytes = encode(`data: ${data}\n\ndata: b\n\n`)
    const pieces = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, n) => bytes.subarray(n * 7, n * 7 + 7))
    assert.deepStrictEqual(
      read(pieces).events.map((event) => event.data),
      [data, "b"]
    )
  })

  it("valid retry values are kept", () => {
    const { decoder } = read([encode("retry: 10\nretry: x\nretry: 007\n\n")])
    assert.deepStrictEqual(decoder.retries, [10, 7])
  })

  it("invalid UTF-8 fails with its offset, after all earlier events", () => {
    const bytes = concat([encode("data: ä\n\ndata: "), Uint8Array.of(0xc3, 0x28), encode("\n\ndata: b\n\n")])
    for (const chunks of everyCut(bytes)) {
      const { decoder, events } = read(chunks)
      assert.deepStrictEqual(
        events.map(({ data }) => data),
        ["ä"]
      )
      assert.strictEqual(decoder.failure?._tag === "InvalidUtf8" ? decoder.failure.offset : undefined, 16)
      assert.isTrue(decoder.done)
      assert.isEmpty(decoder.push(encode("data: c\n\n")))
    }
  })

  it("an event larger than the limit fails, in one line or in many; one of exactly the limit passes", () => {
    const limit = 100
    for (const [text, passes] of [
      [`data: ${"x".repeat(limit - 6)}\n\n`, true],
      [`data: ${"x".repeat(limit - 5)}\n\n`, false],
      [`data: ${"x".repeat(limit - 6)}\r\n\r\n`, true],
      ["data: xxxx\n".repeat(10).concat(`data: ${"x".repeat(limit - 55)}\n\n`), true],
      ["data: xxxx\n".repeat(10).concat(`data: ${"x".repeat(limit - 54)}\n\n`), false],
      [`: ${"x".repeat(limit - 2)}\n\n`, true],
      [`: ${"x".repeat(limit - 1)}\n\n`, false],
      [`data: ${"x".repeat(limit + 100)}`, false],
      [`${"data: xxxxx\n".repeat(20)}\n`, false],
      [`: ${"x".repeat(limit + 1)}`, false],
      ["data: xxxxx\n\n".repeat(20), true]
    ] as const) {
      for (const chunks of [[encode(text)], byteByByte(encode(text))]) {
        const { decoder } = read([encode("data: a\n\n"), ...chunks], { maxEventSize: limit })
        if (passes) assert.isUndefined(decoder.failure)
        else assert.deepInclude(decoder.failure, { _tag: "InvalidEvent", reason: "tooLarge" }, text.slice(0, 20))
      }
    }
  })

  it.effect("as a stream: chunks stay chunks, and the failure comes last", () =>
    Effect.gen(function* () {
      const bad = concat([encode("data: c\n\n"), Uint8Array.of(0xff)])
      const stream = Stream.fromChunks(
        Chunk.of(encode("data: a\n\ndata: b\n\n")),
        Chunk.make(encode("data:"), bad.subarray(5)),
        Chunk.of(encode("data: d\n\n"))
      ).pipe(Sse.decode())
      const seen: Array<ReadonlyArray<string>> = []
      const exit = yield* Effect.exit(
        Stream.runForEachChunk(stream, (chunk) =>
          Effect.sync(() => {
            seen.push(Array.from(chunk, ({ data }) => data))
          })
        )
      )
      assert.deepStrictEqual(seen, [["a", "b"], ["c"]])
      assert.isTrue(Exit.isFailure(exit))
    })
  )
})
