/** Handles every error of a turn by its tag. The compiler reports a missing one. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Script } from "@effect-codex/testing"
import { Console, Effect } from "effect"
import { Codex } from "effect-codex"
import { embedded } from "./backend.ts"

const ask = Effect.gen(function* () {
  const codex = yield* Codex.Codex
  const turn = yield* codex.turn({ prompt: "Tell me a story." })
  return `the story: ${turn.text}`
})

const say = (what: string) => (error: { readonly message: string }) => Effect.succeed(`${what} (${error.message})`)

const handled: Effect.Effect<string, never, Codex.Codex> = ask.pipe(
  Effect.catchTags({
    // the plan and the model
    UsageLimit: ({ message, resetsAt }) =>
      Effect.succeed(`come back ${resetsAt === undefined ? "later" : new Date(resetsAt).toISOString()} (${message})`),
    RateLimited: say("slow down"),
    ServerOverloaded: say("try again later"),
    ContextWindowExceeded: say("shorten the conversation"),
    ModelUnavailable: say("choose another model"),
    InvalidRequest: say("mend the request"),
    PolicyViolation: say("refused by policy"),
    AccessDenied: say("ask the workspace's admin"),
    ResponseFailed: say("the server gave up"),
    // the stream: `partial` contains what had arrived
    StreamTruncated: ({ partial }) => Effect.succeed(`cut off after "${partial?.text ?? ""}"`),
    InvalidUtf8: say("damaged on the way"),
    InvalidEvent: say("an event nobody can read"),
    StreamIdle: say("gone silent"),
    // the connection
    ConnectionFailed: say("no connection"),
    TimedOut: say("too slow"),
    HttpFailure: say("an unexpected status"),
    EdgeBlocked: say("blocked by the network edge"),
    RoutingFailed: say("no route to the workspace"),
    InvalidConfig: say("mend the settings"),
    // the login
    NotLoggedIn: say("log in"),
    LoginExpired: say("log in again"),
    Unauthorized: say("log in again"),
    InvalidToken: say("hand in a ChatGPT token"),
    AccountChanged: say("somebody else is logged in"),
    AuthFileUnusable: say("mend the credential file"),
    RefreshFailed: say("try again: the login could not be renewed"),
    LockTimeout: say("try again: another program holds the login")
  })
)

/** Plays one response and prints the result. Retries are off, so that the error is visible. */
const play = (name: string, step: Script.Step) =>
  handled.pipe(
    Effect.provide(embedded([step], { retry: { retries: 0 } })),
    Effect.flatMap((outcome) => Console.log(`${name}: ${outcome}`))
  )

const program = Effect.all([
  play("no fault", Script.turn({ text: "Once upon a time." })),
  play("usage limit", Script.usageLimit({ planType: "plus", resetsAt: 1_795_400_000 })),
  play("overloaded", Script.failed({ code: "server_is_overloaded", message: "Our servers are overloaded." })),
  play("cut off", Script.turn({ text: "Once upon a time." }).pipe(Script.truncateAfterEvents(6))),
  play("an HTML page", Script.status(403, { body: "<html><title>Attention Required! | Cloudflare</title></html>" })),
  play("refused", Script.refuse)
])

NodeRuntime.runMain(program)
