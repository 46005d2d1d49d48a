/**
 * The final check before a cassette is written: finds secrets that are still in it.
 */
import * as Document from "./document.ts"
import * as Encodings from "./encodings.ts"
import type { Exchange } from "./exchange.ts"
import type * as Placeholders from "./placeholders.ts"
import * as Scrub from "./scrub.ts"

export interface Leak {
  /** What was found, without the value itself. */
  readonly what: string
  readonly where: string
}

const compressed: ReadonlyArray<readonly [string, ReadonlyArray<number>]> = [
  ["gzip", [0x1f, 0x8b]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["zlib", [0x78, 0x9c]]
]

/** The compression of a body, which cannot be searched. */
export const compression = (body: Uint8Array, headers: Readonly<Record<string, string>>): string | undefined => {
  const found = compressed.find(([, magic]) => magic.every((byte, n) => body[n] === byte))
  if (found !== undefined) return found[0]
  const encoding = headers["content-encoding"]
  const isText = Document.decodeUtf8(body) !== undefined
  return encoding === undefined || encoding === "identity" || isText ? undefined : encoding
}

const textsOf = ({ request, response }: Exchange, n: number): ReadonlyArray<readonly [where: string, text: string]> => {
  const of = (name: string, url: string, headers: Readonly<Record<string, string>>, body: Document.Document) =>
    [
      [`the URL of ${name}`, url],
      ...Object.entries(headers).map(([key, value]) => [`the header ${key} of ${name}`, value] as const),
      [`the body of ${name}`, body.text],
      ...Scrub.joined(body.text).map((text) => [`the events of ${name}`, text] as const)
    ] as const
  return [
    ...of(`request ${n}`, request.url, request.headers, Document.make([request.body])),
    ...(response._tag === "Response"
      ? of(`response ${n}`, "", response.headers, Document.make(response.chunks.map(({ bytes }) => bytes)))
      : [])
  ]
}

/** A value in another case is still a leak. Short values would match by chance. */
const longEnough = 10

const knownIn = (text: string, forms: ReadonlyArray<Forms>): string | undefined => {
  const lower = text.toLowerCase()
  const known = forms.find(
    ({ anyCase, exact, value }) =>
      exact.some((form) => text.includes(form)) ||
      anyCase.some((form) => lower.includes(form)) ||
      (value.length >= longEnough && lower.includes(value))
  )
  return known === undefined ? undefined : `a value of the kind "${known.kind}"`
}

const leakIn = (text: string, forms: ReadonlyArray<Forms>, depth = 0): string | undefined => {
  const known = knownIn(text, forms)
  if (known !== undefined) return known
  const suspect = Scrub.suspects(text)[0]
  if (suspect !== undefined) return `something that looks like a value of the kind "${suspect[0]}"`
  if (depth >= 3) return undefined
  for (const inner of Encodings.decodings(text)) {
    const found = leakIn(inner, forms, depth + 1)
    if (found !== undefined) return `${found}, encoded`
  }
  return undefined
}

interface Forms {
  /** In lower case. */
  readonly value: string
  readonly kind: Placeholders.Kind
  readonly exact: ReadonlyArray<string>
  readonly anyCase: ReadonlyArray<string>
}

const formsOf = (table: Placeholders.Table): ReadonlyArray<Forms> =>
  Array.from(table.values)
    .filter(([value, { kind }]) => Scrub.isSecret(kind, value))
    .map(([value, { kind }]) => {
      const { anyCase, base64, exact } = Encodings.of(value)
      // header names are written in lower case, so base64 in them is too
      const lower = base64.filter((digits) => digits.length >= longEnough).map((digits) => digits.toLowerCase())
      return { value: value.toLowerCase(), kind, exact: [...exact, ...base64], anyCase: [...anyCase, ...lower] }
    })

/** The first leak in the exchanges or in their text. */
export const find = (exchanges: ReadonlyArray<Exchange>, text: string, table: Placeholders.Table): Leak | undefined => {
  const forms = formsOf(table)
  for (const [where, text] of exchanges.flatMap((exchange, n) => textsOf(exchange, n + 1))) {
    const what = leakIn(text, forms)
    if (what !== undefined) return { what, where }
  }
  // only known values: a placeholder that is split between chunks can look like a secret
  const what = knownIn(text, forms)
  return what === undefined ? undefined : { what, where: "the file" }
}
