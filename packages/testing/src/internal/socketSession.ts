/**
 * One WebSocket of a scripted backend (protocol H). It caches input like the real socket, performs the same checks, and
 * passes the whole request to the script, as over SSE.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Request from "../Request.ts"
import type * as Script from "../Script.ts"
import type { Entry, Journal } from "./journal.ts"
import { asArray, asObject, asString, type Json, parseJson } from "./json.ts"
import * as Play from "./play.ts"

/** The operations on the connection. */
export interface Wire {
  readonly send: (message: string | Uint8Array) => Effect.Effect<void>
  readonly close: (code: number) => Effect.Effect<void>
  readonly reset: Effect.Effect<void>
}

export interface Options {
  readonly script: Script.Script
  readonly journal: Journal
  readonly now: Effect.Effect<number>
  readonly wait: (duration: Duration.Duration) => Effect.Effect<void>
  readonly wire: Wire
  /** 1 for the first socket of the backend. */
  readonly socket: number
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/** The maximum message size, in bytes (protocol H.5). */
const maxMessage = 16_777_215

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Responses end with one of these, and the socket is free again. */
const terminal: ReadonlySet<unknown> = new Set([
  "response.completed",
  "response.done",
  "response.incomplete",
  "response.failed"
])

const socketsOf = (script: Script.Script): Script.Sockets | undefined =>
  typeof script === "function" ? script.sockets : undefined

const pathOf = (url: string): string => (URL.canParse(url) ? new URL(url).pathname : url)

/** How a handshake is answered: as the test says, as the script does, or with yes. */
export const handshake = (
  options: Pick<Options, "script" | "socket" | "url" | "headers" | "now"> & {
    readonly handshakes: ReadonlyArray<Script.Handshake>
  }
): Effect.Effect<Script.Handshake> =>
  Effect.suspend(() => {
    const { handshakes, headers, now, script, socket, url } = options
    const said = handshakes[socket - 1]
    const sockets = socketsOf(script)
    if (said !== undefined || sockets === undefined) return Effect.succeed(said ?? { status: 101 })
    return Effect.flatMap(now, (receivedAt) =>
      sockets.handshake(Request.make({ number: 0, method: "GET", url, path: pathOf(url), headers, receivedAt }), socket)
    )
  })

/** The data of the events in a part of an SSE body. */
const messagesIn = (text: string): ReadonlyArray<string> =>
  text.split("\n\n").flatMap((block) => {
    const data = block.split("\n").flatMap((line) => (line.startsWith("data:") ? [line.slice(5).trimStart()] : []))
    return data.length === 0 ? [] : [data.join("\n")]
  })

/** What is wrong, as frames say it: bodies of the layer in front of the model have no `error`. */
const errorOf = (text: string): Json => {
  const body = asObject(parseJson(text))
  const detail = body?.["detail"]
  return (
    asObject(body?.["error"]) ?? {
      type: "invalid_request_error",
      ...(asObject(detail) ?? { message: asString(detail) ?? text })
    }
  )
}

const refusal = (step: Script.Step, entry: Entry): string => {
  const text = Array.from(Play.pieces(step, entry.request), ({ bytes }) => decoder.decode(bytes)).join("")
  const headers = Play.headers(step, entry.request)
  return JSON.stringify({ type: "error", status: step.status, error: errorOf(text), headers })
}

/** Plays one socket: pass each received text message to it. The effect completes with the response. */
export const make = ({ headers, journal, now, script, socket, url, wait, wire }: Options) => {
  /** The conversation up to and including each response, by response id. */
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
          if (terminal.has(event["type"])) {
            const id = asString(asObject(event["response"])?.["id"])
            if (id !== undefined && event["type"] !== "response.failed") cached.set(id, [...input, ...output])
            // the client may send the next request before this returns
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

  const path = pathOf(url)

  /** Refuses a message that does not become a request. */
  const refuse = (text: string, status: number, code: string | null, message: string, param: string | null = null) =>
    Effect.gen(function* () {
      const error = { message, type: "invalid_request_error", param, code }
      const at = { receivedAt: yield* now, message: { socket, text } }
      const request = Request.make({ number: 0, url, path, headers, body: parseJson(text), ...at })
      yield* socketsOf(script)?.refused({ request, status, body: { error } }) ?? Effect.void
      yield* status === 413 ? wire.close(1009) : wire.send(JSON.stringify({ type: "error", status, error }))
    })

  const receive = (text: string): Effect.Effect<void> =>
    Effect.gen(function* () {
      if (encoder.encode(text).length > maxMessage) return yield* refuse(text, 413, null, "The message is too large.")
      const frame = asObject(parseJson(text))
      const type = frame?.["type"]
      if (frame === undefined)
        return yield* refuse(text, 400, null, "We could not parse the JSON body of your request.")
      if (type !== "response.create") {
        const message = `Invalid value: '${String(type)}'. Supported values are: 'response.create'.`
        return yield* refuse(text, 400, "invalid_value", message, "type")
      }
      if (busy) return yield* refuse(text, 400, "response_in_progress", "A response is in flight on this connection.")
      const { previous_response_id: previous, type: _, ...body } = frame
      const known = previous === undefined || previous === null ? [] : cached.get(String(previous))
      if (known === undefined) {
        const message = `Previous response with id '${String(previous)}' not found.`
        return yield* refuse(text, 400, "previous_response_not_found", message, "previous_response_id")
      }
      busy = true
      const added = asArray(body["input"])
      const input = [...known, ...(added ?? [])]
      const { entry, step } = journal.receive({
        method: "POST",
        url,
        path,
        headers,
        body: added === undefined ? body : { ...body, input },
        receivedAt: yield* now,
        message: { socket, text }
      })
      yield* Effect.flatMap(step, (step) => play(step, entry, input))
      busy = false
    })

  return { receive }
}
