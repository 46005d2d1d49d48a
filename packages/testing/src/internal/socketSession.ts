/**
 * One WebSocket of a backend that plays a script (protocol H). It remembers what the socket has cached, checks what the
 * real backend checks, and gives the script the whole request, as SSE would have brought it.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Script from "../Script.ts"
import type { Entry, Journal } from "./journal.ts"
import { asArray, asObject, asString, type Json, parseJson } from "./json.ts"
import * as Play from "./play.ts"

/** What a session does on its connection. */
export interface Wire {
  readonly send: (message: string | Uint8Array) => Effect.Effect<void>
  readonly close: (code: number) => Effect.Effect<void>
  readonly reset: Effect.Effect<void>
}

export interface Options {
  readonly journal: Journal
  readonly now: Effect.Effect<number>
  readonly wait: (duration: Duration.Duration) => Effect.Effect<void>
  readonly wire: Wire
  /** 1 for the first socket of the backend. */
  readonly socket: number
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/** The largest message, in bytes (protocol H.5). */
const maxMessage = 16_777_215

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const errorFrame = (status: number, code: string, message: string): string =>
  JSON.stringify({ type: "error", status, error: { type: "invalid_request_error", code, message } })

/** The data of the events in a piece of a body of server-sent events. */
const messagesIn = (text: string): ReadonlyArray<string> =>
  text.split("\n\n").flatMap((block) => {
    const data = block.split("\n").flatMap((line) => (line.startsWith("data:") ? [line.slice(5).trimStart()] : []))
    return data.length === 0 ? [] : [data.join("\n")]
  })

const refusal = (step: Script.Step, entry: Entry): string => {
  const text = Array.from(Play.pieces(step, entry.request), ({ bytes }) => decoder.decode(bytes)).join("")
  const error = asObject(asObject(parseJson(text))?.["error"]) ?? { message: text }
  return JSON.stringify({ type: "error", status: step.status, error, headers: Play.headers(step, entry.request) })
}

/** Plays one socket: give it each text message that arrives. The effect is over when its answer is. */
export const make = ({ headers, journal, now, socket, url, wait, wire }: Options) => {
  /** The whole conversation up to and with a response, by the response's id. */
  const cached = new Map<string, ReadonlyArray<unknown>>()
  let busy = false

  const play = (step: Script.Step, entry: Entry, input: ReadonlyArray<unknown>) =>
    Effect.gen(function* () {
      yield* wait(step.delay)
      if (step.kind === "silence") return yield* Effect.never
      if (step.kind !== "respond") return yield* wire.reset
      if (step.status !== 200) return yield* wire.send(refusal(step, entry))
      const output: Array<unknown> = []
      for (const piece of Play.pieces({ ...step, gzip: false, chunkSize: undefined }, entry.request)) {
        yield* wait(piece.wait)
        for (const text of messagesIn(decoder.decode(piece.bytes))) {
          const event: Json = asObject(parseJson(text)) ?? {}
          if (event["type"] === "response.output_item.done") output.push(event["item"])
          if (event["type"] === "response.completed") {
            const id = asString(asObject(event["response"])?.["id"])
            if (id !== undefined) cached.set(id, [...input, ...output])
            // the client may ask again before this returns
            busy = false
            entry.finish()
          }
          yield* wire.send(step.messages === "text" ? text : encoder.encode(text))
        }
      }
      if (!busy) return
      yield* wait(step.endDelay)
      if (step.ending === "silence") return yield* Effect.never
      entry.finish()
      yield* step.ending === "reset" ? wire.reset : wire.close(step.closeCode)
    }).pipe(
      Effect.onInterrupt(() => Effect.sync(entry.abort)),
      Effect.ensuring(Effect.sync(entry.finish))
    )

  const receive = (text: string): Effect.Effect<void> =>
    Effect.gen(function* () {
      if (encoder.encode(text).length > maxMessage) return yield* wire.close(1009)
      const frame = asObject(parseJson(text))
      if (frame?.["type"] !== "response.create") {
        return yield* wire.send(errorFrame(400, "invalid_request", "Expected response.create."))
      }
      if (busy) return yield* wire.send(errorFrame(400, "response_in_progress", "A response is in flight."))
      const { previous_response_id: previous, type: _, ...body } = frame
      const known = previous === undefined ? [] : cached.get(String(previous))
      if (known === undefined) {
        return yield* wire.send(errorFrame(400, "previous_response_not_found", `No response ${String(previous)}.`))
      }
      busy = true
      const input = [...known, ...(asArray(body["input"]) ?? [])]
      const { entry, step } = journal.receive({
        method: "POST",
        url,
        path: URL.canParse(url) ? new URL(url).pathname : url,
        headers,
        body: { ...body, input },
        receivedAt: yield* now,
        message: { socket, text }
      })
      yield* Effect.flatMap(step, (step) => play(step, entry, input))
      busy = false
    })

  return { receive }
}
