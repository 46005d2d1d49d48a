import { assert, describe, it } from "@effect/vitest"
import { Utf8 } from "@effect-codex/stream"
import { draw, forAll } from "../../../test/property.ts"
import { byteByByte, concat, encode } from "./support.ts"

/** Text up to the first mistake, and where that is. */
const read = (chunks: ReadonlyArray<Uint8Array>) => {
  const decoder = new Utf8.Decoder()
  let text = ""
  for (const chunk of chunks) {
    text += decoder.decode(chunk)
    if (decoder.invalidAt !== undefined) break
  }
  return { text, invalidAt: decoder.invalidAt, unfinished: decoder.unfinished }
}

const isValid = (bytes: Uint8Array): boolean => {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

/** Whether some continuation makes the bytes valid. */
const canGoOn = (bytes: Uint8Array): boolean =>
  [[], [0x80], [0xbf], [0x80, 0x80], [0xbf, 0x80], [0x80, 0x80, 0x80], [0xbf, 0x80, 0x80]].some((rest) =>
    isValid(concat([bytes, Uint8Array.from(rest)]))
  )

/** Where the first sequence begins that no continuation makes valid, found by trying: the reference. */
const reference = (bytes: Uint8Array): number | undefined => {
  const good = bytes.findIndex((byte) => byte !== 0xc3 && byte !== 0xa4)
  for (let end = Math.max(1, good); end <= bytes.length; end++) {
    if (canGoOn(bytes.subarray(0, end))) continue
    let start = end
    while (!isValid(bytes.subarray(0, start))) start--
    return start
  }
  return undefined
}

const cutAt = (bytes: Uint8Array, places: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return ends.map((end, n) => bytes.subarray(n === 0 ? 0 : ends[n - 1], end))
}

const cuts = draw.array(draw.nat(200), { maxLength: 6 })

describe("Utf8", () => {
  it("gives the text of valid bytes, however they are cut", () => {
    forAll([draw.fullUnicodeString(), cuts], (text, places) => {
      const bytes = encode(text)
      const expected = text.startsWith("\ufeff") ? text.slice(1) : text
      for (const chunks of [[bytes], byteByByte(bytes), cutAt(bytes, places)]) {
        assert.deepStrictEqual(read(chunks), { text: expected, invalidAt: undefined, unfinished: false })
      }
    })
  })

  it("finds the byte where the first ill-formed sequence begins, however the bytes are cut", () => {
    // bytes from the corners of the encoding, mixed with good text
    const odd = draw.constantFrom(0x41, 0x80, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xa0, 0x9f, 0x90)
    const piece = draw.oneof(
      draw.fullUnicodeString({ maxLength: 4 }).map(encode),
      draw.array(odd, { maxLength: 4 }).map((bytes) => Uint8Array.from(bytes))
    )
    forAll(
      [draw.array(piece, { maxLength: 8 }).map(concat), cuts],
      (bytes, places) => {
        const expected = reference(bytes)
        for (const chunks of [[bytes], byteByByte(bytes), cutAt(bytes, places)]) {
          const { invalidAt, text } = read(chunks)
          assert.strictEqual(invalidAt, expected)
          if (expected !== undefined) assert.strictEqual(text, new TextDecoder().decode(bytes.subarray(0, expected)))
        }
      },
      { runs: 500 }
    )
  })

  it("does so in large pieces too", () => {
    const many = encode("ä".repeat(3000))
    for (const tail of [
      [],
      [0xe0],
      [0xe0, 0xc2],
      [0xe4, 0xb8],
      [0xf0, 0x9f],
      [0xff],
      [0xc3],
      [0xed, 0xa0],
      [0xf0, 0xe0]
    ]) {
      const pieces = [many, concat([many, Uint8Array.from(tail)]), concat([encode("x"), many]), many]
      const { invalidAt, text } = read(pieces)
      assert.strictEqual(invalidAt, tail.length === 0 ? undefined : reference(concat(pieces.slice(0, 3))))
      assert.strictEqual(text, new TextDecoder().decode(concat(pieces).subarray(0, invalidAt)))
    }
  })

  it("drops one byte order mark, at the start only", () => {
    assert.strictEqual(read(byteByByte(encode("\ufeffa\ufeff"))).text, "a\ufeff")
    assert.strictEqual(read([encode("\ufeff\ufeffa")]).text, "\ufeffa")
  })

  it("knows that it stopped within a character", () => {
    assert.deepStrictEqual(read([Uint8Array.from([0x61, 0xe4, 0xb8])]), {
      text: "a",
      invalidAt: undefined,
      unfinished: true
    })
  })
})
