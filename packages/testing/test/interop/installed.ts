/** What the commands that play to clients of others share: a temporary directory with the client, and damaged turns. */
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { Script } from "@effect-codex/testing"
import * as Effect from "effect/Effect"

/** A directory that goes with the scope. */
export const temporary = (prefix: string) =>
  Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), prefix))),
    (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))
  )

/** A temporary directory in which npm has installed the packages. */
export const installed = (prefix: string, packages: ReadonlyArray<string>) =>
  Effect.tap(temporary(prefix), (directory) =>
    Effect.sync(() =>
      execFileSync("npm", ["install", "--prefix", directory, "--no-audit", "--no-fund", "--silent", ...packages])
    )
  )

const sse = (event: object) => `data: ${JSON.stringify(event)}\n\n`
const [first, ...rest] = Script.turnEvents({ text: "Hello there." })

/** The turn, cut right before its terminal event. */
export const withoutEnd = (turn: Script.Turn) =>
  Script.turn(turn).pipe(Script.truncateAfterEvents(Script.turnEvents(turn).length - 1))

/** A turn with an event that nobody knows. */
export const unknownEvent = Script.events([...(first ? [first] : []), { type: "response.invented" }, ...rest])

/** A turn with a byte in its text that is not UTF-8. */
export const invalidUtf8 = Script.bytes([
  new TextEncoder()
    .encode(Script.turnEvents({ text: "Hello|there." }).map(sse).join(""))
    .map((byte) => (byte === 0x7c ? 0xff : byte))
])
