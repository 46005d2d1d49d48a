/** Runs the official Codex CLI, unmodified, against a `BackendServer`. */
import { spawn } from "node:child_process"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import { installed } from "./installed.ts"

interface Line {
  readonly type: string
  readonly message?: string
  readonly error?: { readonly message?: string }
  readonly item?: { readonly type: string; readonly text?: string }
}

export interface Outcome {
  /** What the model said; `undefined` where the turn failed. */
  readonly text: string | undefined
  /** Why it failed, in the CLI's words. */
  readonly failure: string | undefined
}

/** The path of the newest CLI, installed for as long as the scope lives. */
export const install = Effect.map(installed("codex-cli-", ["@openai/codex"]), (directory) =>
  Path.join(directory, "node_modules/.bin/codex")
)

/**
 * One `codex exec`, with `home` as its home and working directory. `settings` are those of its configuration; `provider`
 * those of the model provider, beside the ones that lead to the server.
 */
export const exec = (
  cli: string,
  options: {
    readonly url: string
    readonly home: string
    readonly settings?: Readonly<Record<string, unknown>>
    readonly provider?: Readonly<Record<string, unknown>>
    readonly environment?: Readonly<Record<string, string>>
  }
): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const { home, url } = options
    const provider = { name: "box", base_url: `${url}/codex`, wire_api: "responses", ...options.provider }
    const settings = {
      ...options.settings,
      model_provider: "box",
      ...Object.fromEntries(Object.entries(provider).map(([key, value]) => [`model_providers.box.${key}`, value]))
    }
    const args = Object.entries(settings).flatMap(([key, value]) => ["-c", `${key}=${JSON.stringify(value)}`])
    const output = yield* Effect.async<string>((resume) => {
      const child = spawn(
        cli,
        ["exec", "--json", "--skip-git-repo-check", "--sandbox", "danger-full-access", ...args, "Say it."],
        {
          cwd: home,
          // a proxy that is not there: what the CLI wants of other hosts stays on this machine
          env: {
            PATH: process.env["PATH"],
            HOME: home,
            CODEX_HOME: home,
            HTTPS_PROXY: "http://127.0.0.1:9",
            HTTP_PROXY: "http://127.0.0.1:9",
            NO_PROXY: "127.0.0.1",
            ...options.environment
          },
          stdio: ["ignore", "pipe", "ignore"]
        }
      )
      let text = ""
      child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk
      })
      child.on("close", () => resume(Effect.succeed(text)))
      return Effect.sync(() => child.kill("SIGKILL"))
    })
    const lines = output
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Line)
    const said = lines.flatMap(({ item, type }) =>
      type === "item.completed" && item?.type === "agent_message" ? [item.text] : []
    )
    const completed = lines.some(({ type }) => type === "turn.completed")
    const failed = lines.find(({ type }) => type === "turn.failed")?.error?.message
    return completed
      ? { text: said.join(" | "), failure: undefined }
      : { text: undefined, failure: failed ?? "it ended without a word" }
  })
