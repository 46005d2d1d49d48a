/**
 * Recorded exchanges as a text file, which can be reviewed, committed, and replayed byte for byte.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Exchange_ from "./internal/cassette/exchange.ts"
import * as Format from "./internal/cassette/format.ts"

/**
 * A request and its response: the chunks as they arrived, and the milliseconds between them.
 *
 * @since 0.1.0
 * @category models
 */
export type Exchange = Exchange_.Exchange

/**
 * The exchanges in the order of their requests.
 *
 * @since 0.1.0
 * @category models
 */
export interface Cassette {
  readonly exchanges: ReadonlyArray<Exchange>
}

/**
 * The text is not a valid cassette: it has another version, was edited after the recording, or is something else.
 *
 * @since 0.1.0
 * @category errors
 */
export class CassetteError extends Data.TaggedError("CassetteError")<{
  readonly reason: "version" | "edited" | "malformed"
  readonly detail: string
  readonly file?: string
}> {
  override get message() {
    return `The cassette${this.file === undefined ? "" : ` ${this.file}`} cannot be played. ${this.detail}`
  }
}

const seal = /^sha256 ([0-9a-f]{64})$/

const digest = (text: string): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))),
    (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("")
  )

/**
 * Encodes a cassette, with a checksum that detects later edits. It contains everything in the exchanges: `Recorder`
 * removes secrets beforehand.
 *
 * @since 0.1.0
 * @category conversions
 */
export const encode = (cassette: Cassette): Effect.Effect<string> => {
  const text = Format.print(cassette.exchanges)
  return Effect.map(digest(text), (sum) => `${text}\nsha256 ${sum}\n`)
}

const problem = (reason: CassetteError["reason"], detail: string) => new CassetteError({ reason, detail })

/**
 * Decodes a cassette. Accepts the line endings of all systems.
 *
 * @since 0.1.0
 * @category conversions
 */
export const decode = (text: string): Effect.Effect<Cassette, CassetteError> =>
  Effect.gen(function* () {
    const lines = text.replaceAll("\r\n", "\n").trimEnd()
    const head = /^(\S+)(?: (\S+))?/.exec(lines)
    if (head?.[1] !== Format.name) {
      return yield* problem("malformed", `Its first line is not "${Format.name} ${Format.version}".`)
    }
    if (head[2] !== String(Format.version)) {
      return yield* problem(
        "version",
        `It is of version ${head[2] ?? "(none)"}, and only version ${Format.version} is known here. Record it again.`
      )
    }
    const at = lines.lastIndexOf("\n") + 1
    const sum = seal.exec(lines.slice(at))?.[1]
    if (sum === undefined) return yield* problem("edited", "Its end is missing. Record it again.")
    const body = lines.slice(0, at - 1)
    if ((yield* digest(body)) !== sum) {
      return yield* problem("edited", "It was edited after it was recorded. Undo the edit, or record it again.")
    }
    return yield* Either.match(Format.read(body), {
      onLeft: ({ expected, line }) => Effect.fail(problem("malformed", `Line ${line} should be ${expected}.`)),
      onRight: (exchanges) => Effect.succeed({ exchanges })
    })
  })
