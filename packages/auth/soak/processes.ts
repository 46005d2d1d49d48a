// Many processes on one credential file against the token endpoint of the tests. Used by the tests with small numbers
// and by `main.ts` with large ones.

import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { bundle } from "../test/support/bundle.ts"
import * as TokenEndpoint from "../test/support/TokenEndpoint.ts"

export interface Options {
  readonly processes: number
  /** Successful ones, of each process. */
  readonly refreshes: number
  /** Share of the answers that are lost after the rotation. */
  readonly lossRate: number
  /** How many processes are killed at a random moment, and started again for the rest of their rounds. */
  readonly kills: number
  /** How often a process is stopped for a random time of up to two seconds. */
  readonly stops?: number
  /** Default: `flock`. */
  readonly lock?: "flock" | "portable"
  /**
   * Puts this content where the processes find it, and answers with the paths they use in turn. Default: one file in a
   * directory of its own.
   */
  readonly place?: (content: string) => Effect.Effect<ReadonlyArray<string>, never, Scope.Scope>
  /** The permissions that the file must keep. Default: 0600. */
  readonly mode?: number
  /** The users that the processes run as, in turn. Default: this one. */
  readonly users?: ReadonlyArray<number>
}

export interface Report {
  /** Sessions, and how each ended for its caller. */
  readonly rounds: number
  readonly outcomes: Record<string, number>
  /** Rotations at the endpoint. */
  readonly refreshes: number
  readonly lost: number
  readonly kills: number
  readonly stops: number
  /** Whether the stored refresh token is the one that the endpoint takes next. */
  readonly isAlive: boolean
  /** Requests with a spent token, and how many different tokens that were. */
  readonly reuses: number
  readonly reusedTokens: number
  /** Reuses after neither a lost answer nor a kill: there must be none. */
  readonly unexplained: ReadonlyArray<TokenEndpoint.Reuse>
  /** How often the file was read meanwhile, and every time it was not whole. */
  readonly reads: number
  readonly broken: ReadonlyArray<string>
}

const unknown = { custom: { deep: ["kept", null] } }
const worker = fileURLToPath(new URL("./worker.ts", import.meta.url))

/** What is wrong with the file, if anything. */
const inspect = (file: string, mode: number): string | undefined => {
  const text = Fs.readFileSync(file, "utf8")
  try {
    const json = JSON.parse(text)
    if (JSON.stringify(json.custom) !== JSON.stringify(unknown.custom)) return "a top-level field is lost"
    if (JSON.stringify(json.tokens.custom) !== JSON.stringify(unknown.custom)) return "a field of the tokens is lost"
    return (Fs.statSync(file).mode & 0o777) === mode ? undefined : "the permissions have changed"
  } catch {
    return `does not parse: ${text.length} characters`
  }
}

const random = (below: number) => Math.floor(Math.random() * below)

const ownDirectory: Options["place"] & {} = (content) =>
  Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "auth-processes-"))),
    (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))
  ).pipe(
    Effect.map((directory) => {
      const file = Path.join(directory, "auth.json")
      Fs.writeFileSync(file, content, { mode: 0o600 })
      return [file]
    })
  )

export const run = (options: Options) =>
  Effect.gen(function* () {
    const place = options.place ?? ownDirectory
    const program = yield* bundle(worker)
    const endpoint = yield* TokenEndpoint.make({
      // Over at once, so that every session refreshes.
      lifetimeMillis: 0,
      delayMillis: () => random(30),
      loses: () => Math.random() < options.lossRate
    })
    const files = yield* place(JSON.stringify({ ...unknown, tokens: { ...endpoint.login(), ...unknown } }))
    const file = files[0] ?? ""

    const children = yield* Effect.acquireRelease(
      Effect.sync(() => new Set<ChildProcess>()),
      (children) =>
        Effect.sync(() => {
          for (const child of children) child.kill("SIGKILL")
        })
    )

    return yield* Effect.promise(
      () =>
        new Promise<Report>((resolve) => {
          const outcomes: Record<string, number> = {}
          const broken: Array<string> = []
          const killed = new Set<string>()
          let rounds = 0
          let running = options.processes
          let reads = 0
          let stops = 0

          const watching = setInterval(() => {
            const problem = inspect(file, options.mode ?? 0o600)
            reads++
            if (problem !== undefined) broken.push(problem)
          }, 5)

          const finish = () => {
            clearInterval(watching)
            clearInterval(killing)
            clearInterval(stopping)
            // A killed process may have been started again under the same name; the user agent tells them apart.
            const unexplained = endpoint.reuses().filter((reuse) => !reuse.wasLost && !killed.has(reuse.spentBy))
            resolve({
              rounds,
              outcomes,
              refreshes: endpoint.refreshes(),
              lost: endpoint.lost(),
              kills: killed.size,
              stops,
              isAlive: endpoint.isAlive(JSON.parse(Fs.readFileSync(file, "utf8")).tokens.refresh_token),
              reuses: endpoint.reuses().length,
              reusedTokens: new Set(endpoint.reuses().map((reuse) => reuse.token)).size,
              unexplained,
              reads,
              broken
            })
          }

          const start = (id: number, life: number, left: number) => {
            const name = `worker-${id}-${life}`
            const path = files[id % files.length] ?? ""
            const uid = options.users?.[id % options.users.length]
            const child = spawn(
              process.execPath,
              [program, path, endpoint.url, String(left), name, options.lock ?? "flock"],
              { stdio: ["ignore", "pipe", "inherit"], ...(uid === undefined ? {} : { uid, gid: uid }) }
            )
            children.add(child)
            let rest = left
            let buffer = ""
            child.stdout.setEncoding("utf8").on("data", (text: string) => {
              const lines = (buffer + text).split("\n")
              buffer = lines.pop() ?? ""
              for (const line of lines) {
                const { outcome, refreshes } = JSON.parse(line)
                outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
                rounds++
                rest = left - refreshes
              }
            })
            child.once("close", (code, signal) => {
              children.delete(child)
              if (signal === "SIGKILL") {
                killed.add(name)
                if (rest > 0) return start(id, life + 1, rest)
              } else if (code !== 0) broken.push(`${name} ended with code ${code}`)
              if (--running === 0) finish()
            })
          }

          let killsLeft = options.kills
          const killing = setInterval(() => {
            if (killsLeft === 0 || rounds === 0) return
            const victims = [...children]
            const victim = victims[random(victims.length)]
            if (victim?.exitCode === null && victim.kill("SIGKILL")) killsLeft--
          }, 400)

          const stopping = setInterval(() => {
            if (stops >= (options.stops ?? 0) || rounds === 0) return
            const victim = [...children][random(children.size)]
            if (victim?.exitCode !== null || !victim.kill("SIGSTOP")) return
            stops++
            setTimeout(() => victim.kill("SIGCONT"), random(2000))
          }, 300)

          for (let id = 0; id < options.processes; id++) start(id, 0, options.refreshes)
        })
    )
  }).pipe(Effect.scoped)
