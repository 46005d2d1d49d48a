/**
 * Every example runs in a process of its own, as a user would run it. The programs are bundled once, because compiling
 * them anew for each process takes several times longer than they run; `npm start` runs under tsx as it is.
 */
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { bundle } from "../../packages/auth/test/support/bundle.ts"

const folder = fileURLToPath(new URL("..", import.meta.url))
const tsx = Path.join(folder, "../node_modules/.bin/tsx")
/** The examples, bundled once: see `run`. */
let program = ""
const scope = Effect.runSync(Scope.make())
beforeAll(async () => {
  const files = Fs.readdirSync(folder).filter((file) => file.endsWith(".ts") && file !== "vitest.config.ts")
  program = await Effect.runPromise(Scope.extend(bundle({ folder, files: [...files, "demo/main.ts"] }), scope))
})
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs an example, without any login of this machine in reach. */
const run = (file: string, ...args: ReadonlyArray<string>): Promise<Ran> => runWith("", file, ...args)

/** The same with something to read on standard input. */
const runWith = (input: string, file: string, ...args: ReadonlyArray<string>): Promise<Ran> =>
  execute(input, process.execPath, [program, file, ...args])

const execute = (input: string, command: string, args: ReadonlyArray<string>): Promise<Ran> =>
  new Promise((resolve, reject) => {
    const home = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-codex-"))
    const { OPENAI_CODEX_ACCESS_TOKEN: _token, CODEX_HOME: _home, ...env } = process.env
    const child = spawn(command, args, { env: { ...env, HOME: home, NO_COLOR: "1" } })
    child.stdin.end(input)
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (data) => {
      stdout += data
    })
    child.stderr.on("data", (data) => {
      stderr += data
    })
    child.on("error", reject)
    child.on("close", (code) => {
      Fs.rmSync(home, { recursive: true, force: true })
      resolve({ code, stdout, stderr })
    })
  })

describe("examples", () => {
  const expected: Record<string, string> = {
    "hello.ts": "Hello. Dobrý den. Grüß Gott.",
    "stream-events.ts": "done    completed",
    "tool-call.ts": "17 + 25 = 42.",
    "errors.ts": 'cut off: cut off after "Once upon a ',
    "test-layer.ts": "passed",
    "conversation.ts": "Your name is Ada.",
    "tool-loop.ts": 'temperature {"city":"Atlantis"} failed: NoSuchCity',
    "structured-output.ts": "- some salt",
    "images.ts": "The image cannot be sent: its URL is neither",
    "concurrent.ts": "Why do cats purr?        ###########",
    "cancellation.ts": "too long a story",
    "batch.ts": "40 answered, 1 impossible, 159 left",
    "effect-ai.ts": "Dumplings: 40 minutes",
    "effect-ai-tools.ts": "weather was answered: The arguments",
    "effect-ai-chat.ts": '"What do I like?" after 1 pieces of reasoning'
  }
  for (const [file, line] of Object.entries(expected)) {
    it(file, { timeout: 60_000 }, async () => {
      const { code, stderr, stdout } = await run(file)
      assert.strictEqual(code, 0, stderr)
      assert.include(stdout, line)
    })
  }
})

describe("chat.ts", () => {
  it("uses tools, and goes on where it was", { timeout: 60_000 }, async () => {
    const store = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-codex-chat-"))
    const first = await run("chat.ts", store)
    assert.include(first.stdout, "A new conversation.")
    const said = await runWith("What is this about?\n", "chat.ts", store)
    assert.strictEqual(said.code, 0, said.stderr)
    assert.include(said.stdout, '[read_file {"path":"package.json"}]\nIt is about examples.')
    const again = await runWith("Thank you.\n", "chat.ts", store)
    assert.include(again.stdout, "Going on after 4 entries.")
    Fs.rmSync(store, { recursive: true })
  })

  it("keeps the finished steps when Ctrl-C cancels the next one", { timeout: 60_000 }, async () => {
    const store = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-codex-chat-"))
    const cancelled = await new Promise<Ran>((resolve, reject) => {
      const child = spawn(process.execPath, [program, "chat.ts", store], {
        env: { ...process.env, HOME: store }
      })
      let stdout = ""
      let stderr = ""
      let isInterrupted = false
      child.stdout.on("data", (data) => {
        stdout += data
        if (!isInterrupted && /\]\nIt/.test(stdout)) {
          isInterrupted = child.kill("SIGINT")
        } else if (stdout.includes("[cancelled]")) child.stdin.end()
      })
      child.stderr.on("data", (data) => {
        stderr += data
      })
      child.on("error", reject)
      child.on("close", (code) => resolve({ code, stdout, stderr }))
      child.stdin.write("What is this about?\n")
    })
    assert.strictEqual(cancelled.code, 0, cancelled.stderr)
    assert.include(cancelled.stdout, "[cancelled]")
    assert.notInclude(cancelled.stdout, "examples.")
    const stored = Fs.readdirSync(store)
      .map((file) => Fs.readFileSync(Path.join(store, file), "utf8"))
      .join("\n")
    assert.include(stored, "function_call_output")
    const next = await runWith("And now?\n", "chat.ts", store)
    assert.strictEqual(next.code, 0, next.stderr)
    // what was said, the call and its result
    assert.include(next.stdout, "Going on after 3 entries.")
    assert.include(next.stdout, "It is about examples.")
    Fs.rmSync(store, { recursive: true })
  })
})

describe("logins", () => {
  it("whoami.ts says how to log in when nobody is", { timeout: 60_000 }, async () => {
    const { code, stderr, stdout } = await run("whoami.ts")
    assert.notStrictEqual(code, 0)
    assert.include(stdout + stderr, "There is no ChatGPT login")
  })
})

describe("npm start", () => {
  it("shows a turn with a tool round trip", { timeout: 60_000 }, async () => {
    const { code, stderr, stdout } = await execute("", tsx, [Path.join(folder, "demo/main.ts")])
    assert.strictEqual(code, 0, stderr)
    assert.include(stdout, '→ get_weather {"city":"Prague"}')
    assert.include(stdout, "← Prague: 12 °C")
    assert.match(stdout, /\d+ tokens in .* 2 attempts in 2 requests · first token after \d+ ms/)
  })

  it("without a login, --live says in two lines how to get one", { timeout: 60_000 }, async () => {
    const { code, stderr } = await run("demo/main.ts", "--live", "hello")
    assert.strictEqual(code, 2)
    assert.strictEqual(stderr.trim().split("\n").length, 2)
    assert.include(stderr, "examples/login.ts")
  })

  it("an unknown option is answered with the usage", { timeout: 60_000 }, async () => {
    const { code, stderr } = await run("demo/main.ts", "--bogus")
    assert.strictEqual(code, 2)
    assert.include(stderr, "Usage:")
  })
})
