/**
 * Replays a recording: a cassette of `Recorder`, or a `.jsonl` file with one event per line.
 *
 * @since 0.1.0
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Cassette from "./Cassette.ts"
import type { Exchange } from "./internal/cassette/exchange.ts"
import * as Format from "./internal/cassette/format.ts"
import * as Placeholders from "./internal/cassette/placeholders.ts"
import * as Scrub from "./internal/cassette/scrub.ts"
import * as Diff from "./internal/diff.ts"
import { asObject, parseJson } from "./internal/json.ts"
import * as Step from "./internal/step.ts"
import * as Script from "./Script.ts"
import * as ScriptedBackend from "./ScriptedBackend.ts"

const millis = (wait: number) => Duration.millis(wait)

const toStep = ({ response }: Exchange): Script.Step =>
  response._tag === "NoResponse"
    ? Step.make({
        kind: ({ refused: "refuse", reset: "reset", abort: "silence" } as const)[response.reason],
        delay: millis(response.wait)
      })
    : Step.make({
        status: response.status,
        // these headers describe the recorded body and connection
        headers: Object.fromEntries(
          Object.entries(response.headers).filter(
            ([name]) => !["content-length", "transfer-encoding", "connection", "keep-alive"].includes(name)
          )
        ),
        delay: millis(response.wait),
        body: () => response.chunks.map(({ bytes, wait }) => ({ bytes, isEvent: false, wait: millis(wait) })),
        // the client aborted, so the rest of the response is unknown
        ending: ({ end: "close", reset: "reset", abort: "silence" } as const)[response.ending],
        endDelay: millis(response.endWait)
      })

/** The parts of a request to compare. The server's address and the credentials do not matter. */
interface Comparable {
  readonly request: string
  readonly body: unknown
}

const comparable = (request: Exchange["request"]): Comparable => {
  const { pathname, search } = URL.canParse(request.url) ? new URL(request.url) : { pathname: request.url, search: "" }
  return {
    request: Placeholders.withoutNumbers(`${request.method} ${pathname}${search}`),
    body: Scrub.bodyValue(request.body)
  }
}

const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  const object = asObject(value)
  return object === undefined
    ? value
    : Object.fromEntries(
        Object.keys(object)
          .sort()
          .map((key) => [key, sorted(object[key])])
      )
}

const printed = (request: Comparable): string => Diff.print(sorted(request))

const received = (request: Script.Request): Exchange["request"] => ({
  method: request.method,
  url: request.url,
  headers: request.headers,
  body: new TextEncoder().encode(
    request.body === undefined ? "" : typeof request.body === "string" ? request.body : JSON.stringify(request.body)
  )
})

/**
 * Converts a cassette to a script. Each request takes the first remaining exchange with the same method, path and body.
 * The server's address, the credentials and the conversation ids are ignored. A request without a match fails the test
 * with the difference to the first remaining exchange.
 *
 * @since 0.1.0
 * @category constructors
 */
export const script = (cassette: Cassette.Cassette): Script.Responder => {
  const recorded = cassette.exchanges.map((exchange) => printed(comparable(exchange.request)))
  const taken = new Set<number>()
  return (request) => {
    const asked = printed(comparable(Scrub.scrubRequest(received(request))))
    const index = recorded.findIndex((text, n) => !taken.has(n) && text === asked)
    const exchange = cassette.exchanges[index]
    if (exchange !== undefined) {
      taken.add(index)
      return toStep(exchange)
    }
    const next = recorded.find((_, n) => !taken.has(n))
    return next === undefined
      ? Script.unscripted(request, recorded.length)
      : Script.unexpected(request, Diff.lines(next, asked))
  }
}

/** Answers turns in order, and no other requests. */
const eventScript = (text: string): Script.Responder => {
  const steps = Script.recording(text)
  return Script.routes({ "/responses": steps })
}

/**
 * Parses a recording of either format to a script.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromText = (text: string): Effect.Effect<Script.Responder, Cassette.CassetteError> => {
  const first = text.split(/\r?\n/).find((line) => line.trim() !== "") ?? ""
  if (first.startsWith(Format.name)) return Effect.map(Cassette.decode(text), script)
  return asObject(parseJson(first)) === undefined
    ? Effect.fail(
        new Cassette.CassetteError({
          reason: "malformed",
          detail: `It begins neither with "${Format.name} ${Format.version}" nor with a JSON event.`
        })
      )
    : Effect.succeed(eventScript(text))
}

/**
 * Reads a script from a file.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromFile = (
  file: string
): Effect.Effect<Script.Responder, Cassette.CassetteError | PlatformError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const text = yield* fs.readFileString(file)
    return yield* Effect.mapError(
      fromText(text),
      ({ detail, reason }) => new Cassette.CassetteError({ reason, detail, file })
    )
  })

/**
 * An `HttpClient` that replays a recording from a file: with its original timing by the program's clock, in real time,
 * or as fast as possible. A request that was not recorded fails the test.
 *
 * To replay it over sockets, pass the script of {@link fromFile} to `BackendServer`.
 *
 * @example
 * ```ts
 * import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
 * import * as Replay from "@effect-codex/testing/Replay"
 * import * as Layer from "effect/Layer"
 *
 * const RecordedBackend = Replay.layer("test/cassettes/hello.cassette", { time: "fast" }).pipe(
 *   Layer.provide(NodeFileSystem.layer)
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  file: string,
  options?: ScriptedBackend.Options
): Layer.Layer<
  HttpClient.HttpClient | ScriptedBackend.ScriptedBackend,
  Cassette.CassetteError | PlatformError,
  FileSystem.FileSystem
> => Layer.unwrapEffect(Effect.map(fromFile(file), (script) => ScriptedBackend.layer(script, options)))
