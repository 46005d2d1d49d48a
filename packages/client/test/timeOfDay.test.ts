// What the time of day does while a request runs, by hours, changes no time limit.
import { assert, describe, it } from "@effect/vitest"
import { Tool } from "@effect-codex/schema"
import { Script, TestCodex } from "@effect-codex/testing"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Codex, Conversation, Toolkit } from "effect-codex"
import { run } from "./support.ts"

/** Sets the time of day one second after the effect began. */
const whileTimeJumps = <A, E, R>(millis: number, self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    let ahead = 0
    const timeOfDay = () => clock.unsafeCurrentTimeMillis() + ahead
    const jumping: Clock.Clock = {
      ...clock,
      sleep: (duration) => clock.sleep(duration),
      unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
      unsafeCurrentTimeMillis: timeOfDay,
      currentTimeMillis: Effect.sync(timeOfDay)
    }
    const jump = Effect.delay(
      Effect.sync(() => {
        ahead = millis
      }),
      "1 seconds"
    )
    return yield* Effect.scoped(Effect.zipRight(Effect.forkScoped(jump), Effect.withClock(self, jumping)))
  })

const wait = Toolkit.handler(Tool.unsafeMake({ name: "wait", parameters: Schema.Struct({}) }), () =>
  Effect.as(Effect.sleep("5 seconds"), "waited")
)
/** The tag of its failure. */
const ending = <E extends { readonly _tag: string }, R>(self: Effect.Effect<unknown, E, R>) =>
  Effect.match(self, { onFailure: ({ _tag }): string | undefined => _tag, onSuccess: () => undefined })

const turn = (request: Codex.Request) => ending(Effect.flatMap(Codex.Codex, (codex) => codex.turn(request)))
const says = Script.turn({ text: "Hello" })
const calls = Script.turn({ toolCalls: [{ name: "wait", arguments: {} }] })
const loop = ending(
  Effect.flatMap(Conversation.make({ tools: [wait] }), (conversation) =>
    conversation.complete("Hi", { timeLimit: "1 minutes" })
  )
)

describe.each([
  ["forward", 5],
  ["back", -5]
])("a time of day that is set %s", (_, hours) => {
  const jump = Duration.toMillis(Duration.hours(hours))

  for (const [what, script, config, program, expected] of [
    ["a turn with a time limit", [Script.delay("5 seconds")(says)], {}, turn({ prompt: "Hi", timeLimit: "1 minutes" })],
    ["a retry within it", [Script.status(503), says], {}, turn({ prompt: "Hi", timeLimit: "1 minutes" })],
    ["a loop with a time limit", [calls, says], {}, loop],
    ["the limit of a turn", [Script.silence], {}, turn({ prompt: "Hi", timeLimit: "1 minutes" }), "TimedOut"],
    ["the limit of a loop", [calls, Script.silence], {}, loop, "LoopLimitReached"],
    [
      "the limit of headers",
      [Script.silence],
      { timeouts: { headers: "1 minutes" } },
      turn({ prompt: "Hi" }),
      "TimedOut"
    ],
    [
      "the limit of silence",
      [Script.silenceAfterEvents(3)(says)],
      { timeouts: { idle: "1 minutes" } },
      turn({ prompt: "Hi" }),
      "StreamIdle"
    ]
  ] as const) {
    it.effect(`changes nothing for ${what}`, () =>
      Effect.gen(function* () {
        const start = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
        const ended = yield* run(whileTimeJumps(jump, program))
        assert.strictEqual(ended, expected)
        const took = (yield* Effect.clockWith((clock) => clock.currentTimeMillis)) - start
        assert.isBelow(took, expected === undefined ? 30_000 : 80_000)
      }).pipe(
        Effect.provide(TestCodex.layer(script, { ...config, retry: { retries: expected === undefined ? 1 : 0 } }))
      )
    )
  }
})
