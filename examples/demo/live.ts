/** One turn from the real backend, with the login of this machine. */
import { Console, Effect } from "effect"
import { Codex } from "effect-codex"
import * as CodexNode from "effect-codex/node"
import { line, show, summary } from "./print.ts"

export const live = (prompt: string) =>
  Effect.gen(function* () {
    const codex = yield* Codex.Codex
    const shown = yield* show(codex.stream({ prompt }))
    yield* line("")
    yield* summary([shown])
    return 0
  }).pipe(
    Effect.provide(CodexNode.layer()),
    Effect.catchTag("NotLoggedIn", () =>
      Effect.as(
        Console.error(
          "There is no ChatGPT login on this machine.\nRun `npx tsx examples/login.ts`, or set OPENAI_CODEX_ACCESS_TOKEN to a ChatGPT access token."
        ),
        2
      )
    )
  )
