/** The command line as a person runs it: as a process of its own. */
import { spawn, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Script } from "@effect-codex/testing"
import { BackendServer } from "@effect-codex/testing/node"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { bundle } from "../../auth/test/support/bundle.ts"

/** The program, bundled once: compiling it in each process takes several times longer than it runs. */
let bin = ""
const scope = Effect.runSync(Scope.make())
beforeAll(async () => {
  const source = fileURLToPath(new URL("../src/bin.ts", import.meta.url))
  bin = await Effect.runPromise(Scope.extend(bundle(source), scope))
})
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const home = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-codex-cli-"))
afterAll(() => Fs.rmSync(home, { recursive: true, force: true }))

/** A token as a login has it; the secret in it must not be printed. */
const token = `eyJhbGciOiJub25lIn0.${Buffer.from(JSON.stringify({ exp: 4102444800, "https://api.openai.com/auth": { chatgpt_account_id: "account-canary" } })).toString("base64url")}.canary`

const { OPENAI_CODEX_ACCESS_TOKEN: _token, CODEX_HOME: _home, XDG_DATA_HOME: _data, ...inherited } = process.env
const env = { ...inherited, HOME: home }

interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface Options {
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  /** Sends Ctrl-C once this has been printed. */
  readonly interruptAfter?: string
  /** Ends standard input once this has been printed on standard error. */
  readonly endInputAfter?: string
}

const run = (args: ReadonlyArray<string>, options: Options = {}, command = process.execPath, prefix = [bin]) =>
  new Promise<Ran>((resolve, reject) => {
    const child = spawn(command, [...prefix, ...args], { env: { ...env, ...options.env } })
    let stdout = ""
    let stderr = ""
    let interrupted = options.interruptAfter === undefined
    const { endInputAfter = "[cancelled]" } = options
    child.stdout.on("data", (data) => {
      stdout += data
      if (!interrupted && stdout.includes(options.interruptAfter ?? "")) {
        interrupted = true
        child.kill("SIGINT")
      }
    })
    child.stderr.on("data", (data) => {
      stderr += data
      if (stderr.includes(endInputAfter)) child.stdin.end()
    })
    child.on("error", reject)
    child.on("close", (code) => resolve({ code, stdout, stderr }))
    if (options.interruptAfter === undefined && options.endInputAfter === undefined)
      child.stdin.end(options.input ?? "")
    else child.stdin.write(options.input ?? "")
  })

const timeout = { timeout: 60_000 }

describe("effect-codex", () => {
  it("ask streams the answer and nothing else to a pipe", timeout, async () => {
    const { code, stderr, stdout } = await run(["--mock", "ask", "Hi"])
    assert.strictEqual(code, 0, stderr)
    assert.match(stdout, /^You said: “Hi”\. .* streams\.\n$/)
    assert.strictEqual(stderr, "")
  })

  it("ask reads standard input beside the prompt, and prints one event a line", timeout, async () => {
    const { code, stdout } = await run(["--mock", "ask", "--json", "Explain:"], { input: "some text\n" })
    assert.strictEqual(code, 0)
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
    assert.deepInclude(events.at(-1), { _tag: "Completed", status: "completed" })
    assert.include(events.at(-1).text, "“Explain:\n\nsome text”")
  })

  it("ask without anything to ask says how", timeout, async () => {
    const { code, stderr } = await run(["--mock", "ask"])
    assert.strictEqual(code, 1)
    assert.match(stderr, /^There is no prompt\. .*\n$/)
  })

  it("whoami without a login says where it looked, in one sentence, and how to log in", timeout, async () => {
    const { code, stderr, stdout } = await run(["whoami"])
    assert.strictEqual(code, 3)
    assert.strictEqual(stdout, "")
    assert.include(stderr, Path.join(home, ".codex", "auth.json"))
    assert.include(stderr, "@effect-codex/cli login")
    assert.notMatch(stderr, /^\s+at /m)
  })

  it("whoami, models and usage show what the backend knows, and no secret", timeout, async () => {
    const [whoami, models, usage] = await Promise.all(
      ["whoami", "models", "usage"].map((command) => run(["--mock", command]))
    )
    assert.match(whoami?.stdout ?? "", /plan +plus\naccount +acc_te…\nexpires +\d{4}-/)
    assert.match(models?.stdout ?? "", /^model +effort +context/)
    assert.match(usage?.stdout ?? "", /5 h +[█░]{24} +0 % {2}resets in 5 h/)
  })

  it("doctor shows what it found out; with a finding it says what to do and ends with 3", timeout, async () => {
    const [healthy, ill] = await Promise.all([run(["--mock", "doctor"]), run(["doctor"])])
    assert.strictEqual(healthy?.code, 0, healthy?.stderr)
    assert.match(
      healthy?.stdout ?? "",
      /plan +plus\naccount +acc_te…\n(.*\n)*\nNo problems found\. Only a turn can show a proxy .*`doctor --turn` sends one\.\n$/
    )
    assert.strictEqual(ill?.code, 3, ill?.stderr)
    assert.match(ill?.stdout ?? "", /\nNotLoggedIn: There is no login\.\n {2}.*@effect-codex\/cli login/)
    assert.strictEqual(ill?.stderr, "")
  })

  it("an unreachable backend is a matter of later, also with --debug without a token", timeout, async () => {
    const { code, stderr, stdout } = await run(["--debug", "usage"], {
      env: {
        OPENAI_CODEX_ACCESS_TOKEN: token,
        OPENAI_CODEX_BASE_URL: "http://127.0.0.1:9/backend-api",
        OPENAI_CODEX_OUTAGE_RETRIES: "0"
      }
    })
    assert.strictEqual(code, 4, stderr)
    assert.notInclude(stdout + stderr, "canary")
  })

  it("a command that is not there is a matter of usage", timeout, async () => {
    assert.strictEqual((await run(["bogus"])).code, 2)
  })

  it("help and what is said of a wrong command line have no colours in a pipe", timeout, async () => {
    const [help, wrong] = await Promise.all([run(["--help"]), run(["bogus"])])
    assert.strictEqual(help?.code, 0)
    assert.include(help?.stdout ?? "", "USAGE")
    assert.include(wrong?.stderr ?? "", "Invalid subcommand")
    assert.notInclude((help?.stdout ?? "") + (wrong?.stdout ?? "") + (wrong?.stderr ?? ""), "\u001b")
  })

  it("a prompt may have several words; a blank line separates it from standard input", timeout, async () => {
    const { stdout } = await run(["--mock", "ask", "What", "is", "this?"], { input: "some text\n" })
    assert.include(stdout, "“What is this?\n\nsome text”")
  })

  it("a known option without a value, or given twice, is not called unknown", timeout, async () => {
    const [without, twice] = await Promise.all([
      run(["--mock", "ask", "Hi", "--model"]),
      run(["--mock", "ask", "--effort", "low", "--effort", "high", "Hi"])
    ])
    assert.deepStrictEqual([without.code, twice.code], [2, 2])
    assert.strictEqual(without.stderr, "The option --model has no value, or is given twice.\n")
    assert.strictEqual(twice.stderr, "The option --effort has no value, or is given twice.\n")
  })

  it("an unknown option of chat is not the name of a chat, but a word behind -- can be", timeout, async () => {
    const [wrong, right] = await Promise.all([run(["--mock", "chat", "--lst"]), run(["--mock", "chat", "--", "--lst"])])
    assert.strictEqual(wrong.code, 2)
    assert.match(wrong.stderr, /^There is no option --lst\. /)
    assert.deepStrictEqual([right.code, right.stderr], [0, "The new chat --lst.\n"])
  })

  it("an invalid variable is named", timeout, async () => {
    const { code, stderr } = await run(["ask", "Hi"], { env: { OPENAI_CODEX_IDLE_TIMEOUT: "soon" } })
    assert.strictEqual(code, 3)
    assert.match(stderr, /^The settings are invalid: .*OPENAI_CODEX_IDLE_TIMEOUT.*docs\/settings\.md.*\n$/)
  })

  it("an unknown option of ask is not sent as a prompt", timeout, async () => {
    const { code, stderr, stdout } = await run(["--mock", "ask", "--modell", "gpt", "Hi"])
    assert.strictEqual(code, 2, stderr)
    assert.strictEqual(stdout, "")
    assert.match(stderr, /^There is no option --modell\. .*--help.*\n$/)
  })

  it(
    "options of ask and of the program may stand behind the prompt; behind -- a word is never one",
    timeout,
    async () => {
      const [json, words, program] = await Promise.all([
        run(["ask", "Hi", "--json", "--mock"]),
        run(["--mock", "ask", "--", "--json", "--mock"]),
        run(["--modell", "ask"])
      ])
      assert.deepInclude(JSON.parse(json.stdout.trim().split("\n").at(-1) ?? ""), { _tag: "Completed" })
      assert.include(words.stdout, "“--json --mock”")
      assert.deepStrictEqual([json.code, words.code, program.code], [0, 0, 2])
      assert.match(program.stderr, /^There is no option --modell\. /)
    }
  )

  it("a file that cannot be used is named", timeout, async () => {
    const text = Path.join(home, "text.txt")
    Fs.writeFileSync(text, "no picture")
    const all = await Promise.all(
      [
        ["--image", "/nope"],
        ["--image", text],
        ["--schema", text],
        ["--instructions", "/nope"]
      ].map((option) => run(["--mock", "ask", ...option, "Hi"]))
    )
    assert.deepStrictEqual(
      all.map(({ code }) => code),
      [2, 1, 1, 2]
    )
    assert.deepStrictEqual(
      all.map(({ stderr }) => stderr),
      [
        "There is no file /nope.\n",
        `${text} is not a supported image. Use PNG, JPEG, GIF or WebP.\n`,
        `${text} is not a JSON Schema. It must be one JSON object.\n`,
        "There is no file /nope.\n"
      ]
    )
    const { code, stderr } = await run(["replay", text])
    assert.strictEqual(code, 1)
    assert.match(stderr, /^\S+ is not a recording\. /)
  })

  it("with --json a failure is the last event, too", timeout, async () => {
    const { code, stdout } = await run(["ask", "--json", "Hi"])
    assert.strictEqual(code, 3)
    assert.deepStrictEqual(JSON.parse(stdout), { _tag: "Failed", reason: "NotLoggedIn", group: "account" })
  })

  it.skipIf(!Fs.existsSync("/dev/full"))("output that cannot be written is an error", timeout, async () => {
    const { code, stderr } = await run(
      ["-c", `exec "$0" "$@" >/dev/full`, process.execPath, bin, "--mock", "ask", "Hi"],
      {},
      "sh",
      []
    )
    assert.strictEqual(code, 1)
    assert.match(stderr, /^The output cannot be written: ENOSPC/)
  })

  it("says that it waits for a standard input that does not end", timeout, async () => {
    const { code, stderr, stdout } = await run(["--mock", "ask", "Hi"], { endInputAfter: "Waiting for the end" })
    assert.strictEqual(code, 0)
    assert.match(stderr, /^Waiting for the end of standard input\. /)
    assert.include(stdout, "“Hi”")
  })

  /** What a proxy makes of the backend that passes nothing on before the end. */
  const behindBuffer = <A>(use: (env: Readonly<Record<string, string>>) => Promise<A>) =>
    BackendServer.make({
      script: Script.routes({
        "/codex/models": Script.always(Script.status(200, { body: { models: [{ slug: "gpt-5.5" }] } })),
        "/accounts/check": Script.always(Script.status(200, { body: { accounts: [{ id: "account-canary" }] } })),
        "/codex/responses": Script.always(
          Script.turn({ text: "one two" }).pipe(Script.delay("1500 millis"), Script.chunked(65_536))
        )
      }),
      onUnexpected: "answer"
    }).pipe(
      Effect.flatMap(({ url }) =>
        Effect.promise(() => use({ OPENAI_CODEX_ACCESS_TOKEN: token, OPENAI_CODEX_BASE_URL: url }))
      ),
      Effect.scoped,
      Effect.runPromise
    )

  it("doctor --turn and ask --debug find a proxy that holds streams back", timeout, () =>
    behindBuffer(async (env) => {
      const [doctor, ask] = await Promise.all([
        run(["doctor", "--turn"], { env }),
        run(["ask", "--debug", "Hi"], { env })
      ])
      assert.match(doctor.stdout, /\nStreamHeldBack: .*\n {2}All events arrived at once, .*NO_PROXY/, doctor.stderr)
      assert.strictEqual(doctor.code, 3)
      assert.strictEqual(ask.stdout, "one two\n", ask.stderr)
      assert.match(ask.stderr, /^first event after [\d.]+ s, last event after [\d.]+ s\n.*buffers streams/m)
      assert.strictEqual(ask.code, 0)
      assert.notInclude(JSON.stringify([doctor, ask]), "canary")
    })
  )

  it("chats that cannot be kept are one sentence, with --debug the reason", timeout, async () => {
    const notFolder = Path.join(home, "not-a-folder")
    Fs.writeFileSync(notFolder, "")
    const [short, long] = await Promise.all(
      [[], ["--debug"]].map((more) => run([...more, "--mock", "chat"], { env: { XDG_DATA_HOME: notFolder } }))
    )
    assert.strictEqual(short?.code, 3)
    assert.match(short?.stderr ?? "", /^Chats cannot be saved in .*XDG_DATA_HOME.*\n$/)
    assert.include(long?.stderr ?? "", "ENOTDIR")
  })

  it.skipIf(!Fs.existsSync("/proc/self"))("folders that the system cannot make are errors, too", timeout, async () => {
    const [chat, login] = await Promise.all([
      run(["--mock", "chat"], { env: { XDG_DATA_HOME: "/proc" } }),
      run(["login", "--device"], { env: { CODEX_HOME: "/proc/effect-codex" } })
    ])
    assert.deepStrictEqual([chat.code, login.code], [3, 3])
    assert.match(chat.stderr, /^Chats cannot be saved in /)
    assert.match(login.stderr, /^Cannot write the credential file \/proc\/effect-codex\/auth\.json/)
  })

  it("a chat that is piped in ends with the failure of a turn", timeout, async () => {
    const { code, stderr, stdout } = await run(["chat", "piped"], { input: "Hello\nAgain\n" })
    assert.strictEqual(code, 3)
    assert.strictEqual(stdout, "")
    assert.match(stderr, /^The new chat piped\.\nThere is no ChatGPT login/)
  })

  it("chat remembers, and Ctrl-C cancels the turn alone", timeout, async () => {
    const first = await run(["--mock", "chat", "holiday"], { input: "Hello\n" })
    assert.strictEqual(first.code, 0, first.stderr)
    assert.include(first.stderr, "The new chat holiday.")
    const cancelled = await run(["--mock", "chat", "holiday"], { input: "Once more\n", interruptAfter: "You said" })
    assert.strictEqual(cancelled.code, 0, cancelled.stderr)
    assert.include(cancelled.stderr, "The chat holiday, 3 entries so far.")
    assert.include(cancelled.stderr, "[cancelled]")
    assert.include((await run(["chat", "--list"])).stdout, "holiday")
    const chats = Path.join(home, ".local/share/effect-codex/chats")
    assert.strictEqual(Fs.statSync(chats).mode & 0o777, 0o700)
  })

  it("replay shows a recording, and fails as it did", timeout, async () => {
    const file = Path.join(home, "cut.jsonl")
    Fs.writeFileSync(
      file,
      '{"type":"response.created","response":{"id":"resp_1"}}\n{"type":"response.output_text.delta","output_index":0,"content_index":0,"item_id":"msg_1","delta":"Half"}\n'
    )
    const { code, stderr, stdout } = await run(["replay", file])
    assert.strictEqual(code, 4)
    assert.strictEqual(stdout, "Half\n")
    assert.include(stderr, "ended")
  })

  /** What a shell offers behind each of the lines. */
  const completed = (shell: string, lines: ReadonlyArray<string>) => {
    const file = Path.join(home, `completions.${shell}`)
    Fs.writeFileSync(file, spawnSync(process.execPath, [bin, "--completions", shell], { env }).stdout)
    const programs: Readonly<Record<string, readonly [args: ReadonlyArray<string>, input: string]>> = {
      bash: [
        ["--norc"],
        `source ${file}\n${lines.map((line) => `COMP_WORDS=(${line.replace(/ $/, " ''")}); COMP_CWORD=$((\${#COMP_WORDS[@]}-1)); _effect-codex_bash_completions effect-codex; echo "\${COMPREPLY[*]}"`).join("\n")}\n`
      ],
      fish: [["-N"], `source ${file}\n${lines.map((line) => `echo (complete -C '${line}')`).join("\n")}\n`],
      zsh: [["-f"], zshProgram(file, lines)]
    }
    const [args, input] = programs[shell] ?? [[], ""]
    return spawnSync(shell, [...args, "-c", input], { env: { ...env, TERM: "dumb" }, encoding: "utf8" })
      .stdout.split("\n")
      .slice(0, lines.length)
  }

  /** zsh completes in a terminal alone: a second one, on a pseudo-terminal, lists what there is when Ctrl-X is typed. */
  const zshProgram = (file: string, lines: ReadonlyArray<string>) => `
    zmodload zsh/zpty
    zpty z zsh -f -i
    zpty -w z "PROMPT=; stty -echo; autoload -Uz compinit; compinit -u -D; source ${file}; bindkey '^X' list-choices; zle-line-init() { print LINE''EDITOR }; zle -N zle-line-init"
    for text in ${lines.map((line) => `'${line}'`).join(" ")}; do
      until [[ $line == *LINEEDITOR* ]]; do zpty -r z line; done
      line=
      zpty -n -w z "$text"$'\\x18\\x15print DO""NE\\n'
      out=
      until [[ $line == *DONE* ]]; do zpty -r z line; out+=" $line"; done
      print -r -- \${\${out//$'\\n'/ }//$'\\r'/ }
    done
    zpty -d z
  `

  for (const shell of ["bash", "zsh", "fish"]) {
    const isFound = spawnSync(shell, ["--version"]).status === 0
    it.skipIf(!isFound)(`completions for ${shell}${isFound ? "" : " (NOT CHECKED: it was not found)"}`, timeout, () => {
      const [commands = "", options = "", later = ""] = completed(shell, [
        "effect-codex ",
        "effect-codex ask --",
        "effect-codex --mock login --"
      ])
      for (const command of ["ask", "chat", "doctor", "whoami"]) assert.include(commands, command)
      for (const option of ["--model", "--image", "--json"]) assert.include(options, option)
      assert.include(later, "--device")
      assert.notMatch(commands + options + later, /wizard|log-level/)
    })
  }

  const hasScript = spawnSync("script", ["--version"]).status === 0

  /** Runs the program on a pseudo-terminal: waits for each text and types what stands beside it. */
  const inTerminal = (
    args: string,
    dialogue: ReadonlyArray<readonly [waitFor: string, type: string]>,
    more: Readonly<Record<string, string>> = {}
  ) =>
    new Promise<Ran>((resolve, reject) => {
      const child = spawn("script", ["-qec", `${process.execPath} ${bin} ${args}`, "/dev/null"], {
        env: { ...env, NO_COLOR: "", TERM: "xterm", ...more }
      })
      let stdout = ""
      let at = 0
      const left = [...dialogue]
      child.stdout.on("data", (data) => {
        stdout += data
        for (let next = left[0]; next !== undefined; next = left[0]) {
          const found = stdout.indexOf(next[0], at)
          if (found < 0) return
          at = found + next[0].length
          child.stdin.write(next[1])
          left.shift()
        }
      })
      child.on("error", reject)
      child.on("close", (code) => resolve({ code, stdout, stderr: left.map(([text]) => text).join() }))
    })

  it.skipIf(!hasScript)(
    "a terminal sees the spinner and the reasoning dimmed, with NO_COLOR plain",
    timeout,
    async () => {
      const [coloured, plain] = await Promise.all([
        inTerminal("--mock ask Hi", []),
        inTerminal("--mock ask Hi", [], { NO_COLOR: "1" })
      ])
      assert.include(coloured.stdout, "\u001b[2m")
      assert.match(coloured.stdout, /[⠋⠙⠹⠸] 0 s/)
      assert.notInclude(plain.stdout, "\u001b[2m")
      assert.include(plain.stdout.replaceAll("\r", ""), "You said: “Hi”.")
    }
  )

  it.skipIf(!hasScript)("in a terminal Ctrl-C cancels the turn of a chat, a second one ends it", timeout, async () => {
    const { code, stderr, stdout } = await inTerminal("--mock chat terminal", [
      ["The new chat terminal", ""],
      ["> ", "Hello\n"],
      ["You said", "\u0003"],
      ["[cancelled]", ""],
      ["> ", "Again\n"],
      ["You said: “Again”", "\u0003"],
      ["[cancelled]", "\u0003"]
    ])
    assert.strictEqual(stderr, "", stdout)
    assert.strictEqual(code, 130, stdout)
  })

  it.skipIf(!hasScript)("in a terminal Ctrl-C ends ask, and clears the spinner", timeout, async () => {
    const { code, stdout } = await inTerminal("--mock ask Hi", [["0 s", "\u0003"]])
    assert.strictEqual(code, 130, stdout)
    assert.notInclude(stdout, "streams.")
    assert.include(stdout, "\r\u001b[K")
  })
})
