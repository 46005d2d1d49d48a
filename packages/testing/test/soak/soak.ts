/**
 * Many turns at once over real sockets, with faults drawn at random. Every turn has exactly one result, and what it says is
 * what the backend said, or the beginning of it: nothing twice, nothing of another turn, no handler run a second time.
 */
import { Script, TestAuth } from "@effect-codex/testing"
import { BackendServer } from "@effect-codex/testing/node"
import * as TransportNode from "@effect-codex/transport/node"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Codex, CodexConfig, Tool, Toolkit, ToolLoop } from "effect-codex"

export interface Options {
  /** Turns under way at once. */
  readonly clients: number
  readonly turns: number
  /** The same seed draws the same turns and faults. */
  readonly seed: number
}

export interface Report {
  /** How many turns ended how: `ok`, `interrupted`, or the tag of an error. */
  readonly outcomes: Readonly<Record<string, number>>
  readonly requests: number
  /** What must not be. */
  readonly problems: ReadonlyArray<string>
}

/** A number from 0 to `below`, the same for the same arguments. */
const draw = (below: number, ...of: ReadonlyArray<number>): number => {
  let hash = 0x9e3779b9
  for (const value of of) {
    hash = Math.imul(hash ^ value, 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
    hash ^= hash >>> 16
  }
  return (hash >>> 0) % below
}

const kinds = ["turn", "stream", "text", "tools"] as const

const textOf = (id: number): string => `${id}: ${"words and more words, ".repeat(1 + (id % 7))}end of ${id}.`

type Fault = (step: Script.Step, drawn: (below: number) => number) => Script.Step

/** What a client recovers from, and what it does not. */
const faults: ReadonlyArray<readonly [string, Fault]> = [
  ["500", () => Script.status(500, { body: "Oops" })],
  ["503", () => Script.status(503, { body: `{"error":{"code":"server_is_overloaded"}}` })],
  ["520", () => Script.status(520, { body: "<html><title>520</title></html>" })],
  ["429", () => Script.status(429, { headers: { "retry-after-ms": "2" } })],
  ["400", () => Script.status(400, { body: `{"error":{"message":"No","code":"invalid_request"}}` })],
  ["usage limit", () => Script.usageLimit()],
  ["reset before headers", () => Script.resetBeforeHeaders],
  ["cut between events", (step, drawn) => Script.truncateAfterEvents(drawn(12))(step)],
  ["cut anywhere", (step, drawn) => Script.truncateAfterBytes(drawn(3000))(step)],
  ["reset between events", (step, drawn) => Script.resetAfterEvents(drawn(12))(step)],
  ["reset anywhere", (step, drawn) => Script.resetAfterBytes(drawn(3000))(step)],
  ["silence", (step, drawn) => Script.silenceAfterEvents(drawn(8))(step)],
  ["invalid UTF-8", () => Script.bytes([Uint8Array.of(0x64, 0x61, 0x74, 0x61, 0x3a, 0xff, 0x0a, 0x0a)])],
  ["failed", () => Script.failed({ code: "server_is_overloaded", message: "Later" })],
  ["context window", () => Script.failed({ code: "context_length_exceeded", message: "Too long" })],
  ["tiny chunks", (step) => Script.chunked(7)(step)],
  ["slow", (step) => Script.drip("1 millis")(step)],
  ["gzip", (step) => Script.gzip(step)],
  ["held open", (step) => Script.holdOpen(step)]
]

const tool = Tool.unsafeMake({ name: "note", parameters: Schema.Struct({ id: Schema.Number }) })

/** One round: a server, a client, and all turns. */
export const soak = ({ clients, seed, turns }: Options): Effect.Effect<Report> => {
  const attempts = new Map<string, number>()
  const handled = new Map<number, number>()
  const results = new Map<number, number>()
  const outcomes: Record<string, number> = {}
  const problems: Array<string> = []

  const kindOf = (id: number) => kinds[draw(kinds.length, seed, id, 1)] ?? "turn"

  const respond = (request: Script.Request): Script.Step => {
    const id = Number(/turn (\d+)/.exec(request.prompt)?.[1])
    const key = `${id} ${request.toolOutputs.length}`
    const attempt = attempts.get(key) ?? 0
    attempts.set(key, attempt + 1)
    const call = { name: "note", callId: `call_${id}`, arguments: { id } }
    const isFirst = kindOf(id) === "tools" && request.toolOutputs.length === 0
    const whole = Script.turn({ reasoning: "Hm.", ...(isFirst ? { toolCalls: [call] } : { text: textOf(id) }) })
    const drawn = (below: number) => draw(below, seed, id, attempt, below, request.toolOutputs.length)
    if (drawn(5) > 2 || attempt > 2) return whole
    return faults[drawn(faults.length)]?.[1](whole, drawn) ?? whole
  }

  const said = (id: number, text: string) => {
    if (text !== textOf(id)) problems.push(`turn ${id} (${kindOf(id)}) ended with ${JSON.stringify(text)}`)
  }

  const one = (codex: Codex.Service, id: number) => {
    const request = { prompt: `This is turn ${id}.` }
    const note = Toolkit.handler(tool, (args) =>
      Effect.sync(() => {
        handled.set(args.id, (handled.get(args.id) ?? 0) + 1)
        if (args.id !== id) problems.push(`the call of turn ${args.id} came to turn ${id}`)
        return "noted"
      })
    )
    switch (kindOf(id)) {
      case "turn":
        return Effect.map(codex.turn(request), ({ text }) => said(id, text))
      case "stream": {
        let text = ""
        let ends = 0
        const reading = Stream.runForEach(codex.stream(request), (event) =>
          Effect.sync(() => {
            if (event._tag === "TurnRestarted") text = ""
            if (event._tag === "TextDelta") text += event.delta
            if (event._tag === "TurnCompleted") ends++
          })
        )
        return Effect.map(reading, () => {
          said(id, text)
          if (ends !== 1) problems.push(`turn ${id} ended ${ends} times`)
        })
      }
      case "text": {
        let text = ""
        const reading = Stream.runForEach(codex.text(request), (delta) =>
          Effect.sync(() => {
            text += delta
            if (!textOf(id).startsWith(text)) problems.push(`turn ${id} showed ${JSON.stringify(text)}`)
          })
        )
        return Effect.map(reading, () => said(id, text))
      }
      case "tools":
        return Effect.map(
          Effect.provideService(ToolLoop.complete({ ...request, tools: [note] }), Codex.Codex, codex),
          ({ turn }) => said(id, turn.text)
        )
    }
  }

  const outcomeOf = (id: number, exit: Exit.Exit<unknown, { readonly _tag: string }>): string => {
    if (Exit.isSuccess(exit)) return "ok"
    const failure = Cause.failureOption(exit.cause)
    if (Option.isSome(failure)) return failure.value._tag
    if (Cause.isInterruptedOnly(exit.cause)) return "interrupted"
    problems.push(`turn ${id} died: ${Cause.pretty(exit.cause)}`)
    return "died"
  }

  const all = Effect.flatMap(Codex.Codex, (codex) =>
    Effect.forEach(
      Array.from({ length: turns }, (_, id) => id),
      (id) => {
        const whole = one(codex, id)
        const maybe = draw(10, seed, id, 2) > 0 ? whole : interruptedAfter(whole, draw(40, seed, id, 3))
        return Effect.map(Effect.exit(maybe), (exit) => {
          const outcome = outcomeOf(id, exit)
          outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
          results.set(id, (results.get(id) ?? 0) + 1)
        })
      },
      { concurrency: clients, discard: true }
    )
  )

  return Effect.gen(function* () {
    const backend = yield* BackendServer.BackendServer
    const client = Codex.layerCarrier.pipe(
      Layer.provide([
        TransportNode.layer({ proxy: "none" }),
        TestAuth.layer(),
        CodexConfig.layer({
          baseUrl: backend.url,
          retry: { baseDelay: "1 millis", outageBaseDelay: "1 millis" },
          timeouts: { idle: "250 millis" }
        })
      ])
    )
    yield* Effect.provide(all, client)
    for (let id = 0; id < turns; id++) {
      if (results.get(id) !== 1) problems.push(`turn ${id} has ${results.get(id) ?? 0} results`)
    }
    for (const [id, times] of handled)
      if (times > 1) problems.push(`the call of turn ${id} was carried out ${times} times`)
    const left = yield* Effect.repeat(Effect.delay(backend.openConnections, "20 millis"), {
      until: (open) => open === 0,
      times: 200
    })
    if (left > 0) problems.push(`${left} connections are left open`)
    return { outcomes, requests: (yield* backend.requests).length, problems }
  }).pipe(Effect.provide(BackendServer.layer({ script: respond })), Effect.orDie)
}

const interruptedAfter = <A, E, R>(self: Effect.Effect<A, E, R>, millis: number): Effect.Effect<A, E, R> =>
  Effect.raceFirst(self, Effect.zipRight(Effect.sleep(millis), Effect.interrupt))
