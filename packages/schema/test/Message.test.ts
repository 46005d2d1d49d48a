import { assert, describe, it } from "@effect/vitest"
import { History, Message } from "@effect-codex/schema"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Schema from "effect/Schema"
import { fewer } from "../../../test/exhaustive.ts"
import { draw } from "../../../test/property.ts"

const ascii = (text: string) => [...text].map((character) => character.charCodeAt(0))

/** The first bytes of each type the backend reads. */
const magics: Record<string, ReadonlyArray<number>> = {
  "image/png": [0x89, ...ascii("PNG\r\n"), 0x1a, 0x0a],
  "image/jpeg": [0xff, 0xd8, 0xff, 0xe0],
  "image/gif": ascii("GIF89a"),
  "image/webp": [...ascii("RIFF"), 1, 2, 3, 4, ...ascii("WEBP")]
}

const bytes = (type: string, more: ReadonlyArray<number> = [1, 2, 3]) => Uint8Array.of(...(magics[type] ?? []), ...more)

const problem = <A>(made: Effect.Effect<A, Message.InvalidContent>) => Effect.map(Effect.flip(made), (e) => e.message)

describe("an image", () => {
  it.effect.each(Object.keys(magics))("of type %s is made from bytes and from base64", (type) =>
    Effect.gen(function* () {
      const base64 = Encoding.encodeBase64(bytes(type))
      const made = yield* Message.imageData(bytes(type), type, "low")
      assert.deepStrictEqual(made, { _tag: "Image", url: `data:${type};base64,${base64}`, detail: "low" })
      assert.deepStrictEqual(yield* Message.imageData(base64, type, "low"), made)
      assert.deepStrictEqual(yield* Message.image(made.url, "low"), made)
      assert.isUndefined(Message.contentProblem(made))
    })
  )

  it.effect("of another type than declared gets its real type", () =>
    Effect.gen(function* () {
      const { url } = yield* Message.imageData(bytes("image/png"), "image/jpg")
      assert.match(url, /^data:image\/png;base64,/)
    })
  )

  it.effect("is read from base64 that is already a data: URL", () =>
    Effect.gen(function* () {
      const { url } = yield* Message.imageData(bytes("image/png"), "image/png")
      assert.strictEqual((yield* Message.imageData(url, "image/png")).url, url)
    })
  )

  it.effect.each([
    [
      "image/svg+xml",
      Message.imageData(new Uint8Array(ascii("<svg/>")), "image/svg+xml"),
      /media type is image\/svg\+xml/
    ],
    ["image/heic", Message.imageData(new Uint8Array([0, 0, 0, 24]), "image/heic"), /media type is image\/heic/],
    ["no bytes", Message.imageData(new Uint8Array(), "image/png"), /holds no data/],
    ["an empty text", Message.imageData("", "image/png"), /holds no data/],
    ["blanks", Message.imageData(" \n ", "image/png"), /holds no data/],
    ["bytes of no image", Message.imageData(new Uint8Array([1, 2, 3]), "image/png"), /not an image of a known type/],
    ["a header cut off", Message.imageData(bytes("image/jpeg").slice(1), "image/jpeg"), /not an image of a known type/],
    ["a text that is not base64", Message.imageData("iVBORw0KGgo!", "image/png"), /not base64/],
    ["base64 that is cut off", Message.imageData("iVBORw0KGgoAA", "image/png"), /not base64/],
    ["no media type", Message.imageData(bytes("image/png"), ""), /does not start like/],
    ["a file: URL", Message.image("file:///home/me/cat.png"), /cannot read a file: URL/],
    ["a path", Message.image("C:\\cat.png"), /neither an https: nor a data: URL/],
    ["a blob: URL", Message.image("blob:https://example.org/1"), /neither an https: nor a data: URL/],
    ["an empty URL", Message.image(""), /neither an https: nor a data: URL/],
    [
      "a URL beyond all bounds",
      Message.image(`https://example.org/${"a".repeat(20_971_520)}`),
      /characters; at most \d+ are allowed/
    ]
  ] as const)("from %s is refused where it is made", ([, made, pattern]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(made)
      assert.strictEqual(error._tag, "InvalidContent")
      assert.isFalse(error.isRetryable)
      assert.match(error.message, /^The image cannot be sent: .*\.$/)
      assert.match(error.message, pattern)
    })
  )

  it("written as a literal gets the same problems", () => {
    const url = "file:///tmp/a.png"
    const words = Message.contentProblem({ _tag: "Image", url })
    assert.strictEqual(words, Effect.runSync(problem(Message.image(url))))
    assert.isUndefined(Message.contentProblem(Message.text("a")))
    assert.deepStrictEqual(Message.Image.make({ url }), { _tag: "Image", url })
  })

  it("is not quoted in its problem", () => {
    const secret = "c2VjcmV0LWltYWdl"
    for (const url of [`data:image/png;base64,${secret}`, `data:image/png;${secret}`, secret]) {
      assert.notInclude(Message.contentProblem({ _tag: "Image", url }), secret)
    }
  })
})

describe("a document", () => {
  it.effect("is made from bytes, base64 and URLs, and refused where it is made", () =>
    Effect.gen(function* () {
      const made = yield* Message.documentData(new Uint8Array([1, 2, 3]), "application/pdf", "a.pdf")
      assert.deepStrictEqual(made, { _tag: "Document", url: "data:application/pdf;base64,AQID", filename: "a.pdf" })
      assert.strictEqual((yield* Message.document(" https://example.org/a.pdf")).url, "https://example.org/a.pdf")
      assert.match(yield* problem(Message.document("/tmp/a.pdf")), /The document cannot be sent: its URL is neither/)
      assert.match(yield* problem(Message.documentData("", "application/pdf")), /holds no data/)
      assert.match(Message.contentProblem({ _tag: "Document", url: "" }) ?? "", /The document cannot be sent/)
    })
  )
})

describe("laws", () => {
  const types = draw.constantFrom(...Object.keys(magics))
  const data = draw.tuple(types, draw.uint8Array()).map(([type, more]) => ({
    type,
    data: bytes(type, [...more])
  }))

  /** The ways base64 is written in the wild, all of the same bytes. */
  const writings = draw.constantFrom<Array<(base64: string) => string>>(
    (base64) => base64,
    (base64) => base64.replace(/=+$/, ""),
    (base64) => base64.replaceAll("+", "-").replaceAll("/", "_"),
    (base64) => base64.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, ""),
    (base64) => base64.replace(/.{1,7}/g, "$&\r\n"),
    (base64) => `\n  ${base64}\t`,
    (base64) => base64.replaceAll("+", "%2B").replaceAll("=", "%3d")
  )

  it.prop("every writing of base64 is read as the same bytes", [data, writings], ([{ data, type }, write]) => {
    const made = Effect.runSync(Message.imageData(write(Encoding.encodeBase64(data)), type))
    assert.deepStrictEqual(made, Effect.runSync(Message.imageData(data, type)))
    assert.deepStrictEqual(Uint8Array.from(Buffer.from(made.url.split(",")[1] ?? "", "base64")), data)
  })

  it.prop(
    "valid content is sent unchanged; invalid content is replaced by text",
    [
      draw.oneof(
        draw.string(),
        draw.webUrl(),
        draw.string().map((text) => `data:image/png;base64,${text}`)
      )
    ],
    ([url]) => {
      const literal = { _tag: "Image", url } as const
      const made = Effect.runSync(Effect.either(Message.image(url)))
      const compiled = History.compile([Message.user([made._tag === "Right" ? made.right : literal])])
      assert.strictEqual(compiled.repairs.length, made._tag === "Right" ? 0 : 1)
      if (made._tag === "Left")
        assert.include(JSON.stringify(compiled.items), JSON.stringify(made.left.message).slice(1, -1))
      assert.strictEqual(Message.contentProblem(literal), made._tag === "Right" ? undefined : made.left.message)
    },
    { fastCheck: { numRuns: fewer(500) } }
  )

  it("the error survives JSON", () => {
    const error = Effect.runSync(Effect.flip(Message.image("")))
    const json = JSON.parse(JSON.stringify(Schema.encodeSync(Message.InvalidContent)(error)))
    assert.strictEqual(Schema.decodeUnknownSync(Message.InvalidContent)(json).message, error.message)
  })
})
