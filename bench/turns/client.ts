/** One contestant in a process of its own, which measures itself when it is told to. */

import { clock } from "./clock.ts"
import { contestants, type Name, type Turn } from "./contestants.ts"
import { answer } from "./events.ts"

/** What the process may be told to do. */
export type Task =
  | { readonly do: "turns"; readonly concurrency: number; readonly millis?: number; readonly turns?: number }
  | { readonly do: "latency" }
  | { readonly do: "idle"; readonly streams: number }
  | { readonly do: "conversations"; readonly conversations: number; readonly turns: number }

export interface Answers {
  readonly turns: { readonly turns: number; readonly millis: number; readonly cpuMillis: number }
  /** Milliseconds from sending to receiving, one for each event. */
  readonly latency: ReadonlyArray<number>
  /** Bytes that came on top. */
  readonly idle: { readonly rss: number; readonly heap: number; readonly external: number }
  readonly conversations: { readonly heap: number; readonly json: number }
}

const [name, base] = process.argv.slice(2) as [Name, string]
const contestant = await contestants[name]()

const length = answer.join("").length

/** One turn, checked by the length of its answer. */
const checked = (turn: Turn) => async () => {
  let received = 0
  await turn((text) => {
    received += text.length
  })
  if (received !== length) throw new Error(`${name} got ${received} characters of ${length}`)
}

const settle = async (): Promise<NodeJS.MemoryUsage> => {
  for (let n = 0; n < 4; n++) {
    globalThis.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return process.memoryUsage()
}

const turning = contestant(`${base}/turn`).then(checked)

const tasks = {
  turns: async ({ concurrency, millis = Number.POSITIVE_INFINITY, turns: most = Number.POSITIVE_INFINITY }) => {
    const turn = await turning
    let turns = 0
    const begun = clock()
    const cpu = process.cpuUsage()
    const worker = async () => {
      while (clock() - begun < millis && turns < most) {
        await turn()
        turns++
      }
    }
    await Promise.all(Array.from({ length: concurrency }, worker))
    const { system, user } = process.cpuUsage(cpu)
    return { turns, millis: clock() - begun, cpuMillis: (system + user) / 1000 }
  },

  latency: async () => {
    const turn = await contestant(`${base}/stamped`)
    const delays: Array<number> = []
    await turn((text) => {
      const now = clock()
      for (const stamp of text.split(";")) if (stamp !== "") delays.push(now - Number(stamp))
    })
    return delays
  },

  idle: async ({ streams }) => {
    const warm = await turning
    for (let n = 0; n < 100; n++) await warm()
    const turn = await contestant(`${base}/held`)
    const open = () => new Promise<void>((resolve) => void turn(() => resolve()))
    await open()
    const before = await settle()
    for (let opened = 0; opened < streams; opened += 50) await Promise.all(Array.from({ length: 50 }, open))
    const after = await settle()
    return {
      rss: after.rss - before.rss,
      heap: after.heapUsed - before.heapUsed,
      external: after.external - before.external
    }
  },

  conversations: async ({ conversations, turns }) => {
    const { Conversation } = await import("effect-codex")
    const Effect = await import("effect/Effect")
    const { runtime } = await import("./codex.ts")
    const running = runtime(`${base}/turn`)
    const talk = (count: number) =>
      Effect.forEach(
        Array.from({ length: count }, (_, n) => n),
        (n) =>
          Effect.gen(function* () {
            const conversation = yield* Conversation.make({ instructions: "You are a helpful assistant." })
            for (let m = 0; m < turns; m++) yield* conversation.send(`Sentence ${m} of conversation ${n}, please.`)
            return conversation
          }),
        { concurrency: 50 }
      )
    await running.runPromise(talk(50))
    const before = await settle()
    const all = await running.runPromise(talk(conversations))
    const after = await settle()
    const histories = await Effect.runPromise(Effect.forEach(all, ({ history }) => history))
    if (histories.some((items) => items.length !== 2 * turns)) throw new Error("a conversation is not whole")
    return {
      heap: after.heapUsed - before.heapUsed,
      json: histories.reduce((sum, items) => sum + JSON.stringify(items).length, 0)
    }
  }
} satisfies { readonly [K in Task["do"]]: (task: Extract<Task, { readonly do: K }>) => Promise<Answers[K]> }

process.on("message", (task: Task) => {
  ;(tasks[task.do] as (task: Task) => Promise<unknown>)(task).then(
    (answer) => process.send?.({ answer }),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) })
  )
})
process.on("disconnect", () => process.exit())
