// Signals that arrive while a refresh is on its way, in processes of their own.

import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Script } from "@effect-codex/testing"
import { BackendServer } from "@effect-codex/testing/node"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { bundle } from "./support/bundle.ts"
import { accessToken } from "./support/jwt.ts"

const program = fileURLToPath(new URL("./support/refresher.ts", import.meta.url))

/** A token endpoint that responds when it is told to. */
const endpoint = Effect.gen(function* () {
  const asked = yield* Deferred.make<void>()
  const told = yield* Deferred.make<void>()
  const tokens = { access_token: accessToken({ serial: 2 }), refresh_token: "rt_2" }
  const { url } = yield* BackendServer.make({
    script: () =>
      Deferred.succeed(asked, undefined).pipe(
        Effect.zipRight(Deferred.await(told)),
        Effect.as(Script.status(200, { body: tokens }))
      )
  })
  return { asked: Deferred.await(asked), respond: Deferred.succeed(told, undefined), issuer: new URL(url).origin }
})

const refreshing = Effect.gen(function* () {
  const { asked, issuer, respond } = yield* endpoint
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "auth-signals-"))),
    (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true }))
  )
  const file = Path.join(directory, "auth.json")
  Fs.writeFileSync(
    file,
    JSON.stringify({ tokens: { access_token: accessToken({ expiresAt: 0 }), refresh_token: "rt_1" } })
  )
  Fs.chmodSync(file, 0o600)
  const compiled = yield* bundle(program)
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(process.execPath, [compiled, file, issuer], { stdio: ["ignore", "pipe", "inherit"] })),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  const end = yield* Deferred.make<{ readonly code: number | null; readonly signal: string | null }>()
  const notes: Array<string> = []
  let wake = () => {}
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    notes.push(...text.trim().split("\n"))
    wake()
  })
  child.once("exit", (code, signal) => Deferred.unsafeDone(end, Effect.succeed({ code, signal })))

  /** Sends a signal and waits until the program has noticed it. */
  const send = (signal: NodeJS.Signals) =>
    Effect.async<void>((resume) => {
      wake = () => {
        if (notes.includes(signal)) resume(Effect.void)
      }
      notes.length = 0
      child.kill(signal)
    })

  yield* asked
  return {
    send,
    end: Deferred.await(end),
    respond,
    refreshToken: () => JSON.parse(Fs.readFileSync(file, "utf8")).tokens.refresh_token as string
  }
})

describe("a refresh that is on its way", () => {
  for (const [what, signals, expected] of [
    ["a closed terminal", ["SIGHUP"], { code: null, signal: "SIGHUP" }],
    ["Ctrl-C", ["SIGINT"], { code: 0, signal: null }],
    ["Ctrl-C twice", ["SIGINT", "SIGINT"], { code: null, signal: "SIGINT" }],
    ["Ctrl-C and a closed terminal", ["SIGINT", "SIGHUP"], { code: null, signal: "SIGHUP" }]
  ] as const) {
    it.scopedLive(`is stored before the process ends by ${what}`, () =>
      Effect.gen(function* () {
        const { end, refreshToken, respond, send } = yield* refreshing
        yield* Effect.forEach(signals, send)
        yield* respond
        assert.deepStrictEqual(yield* end, expected)
        assert.strictEqual(refreshToken(), "rt_2")
      })
    )
  }
})
