/** Prints the plan, the account and the expiry of the access token, without secrets. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { CodexAuth } from "@effect-codex/auth"
import * as NodeAuth from "@effect-codex/auth/node"
import { Console, DateTime, Effect, Layer, Redacted } from "effect"

/** The start of an identifier, enough to recognise it. */
const hint = (value: Redacted.Redacted) => `${Redacted.value(value).slice(0, 6)}…`

const program = Effect.gen(function* () {
  const auth = yield* CodexAuth.CodexAuth
  const { accountId, expiresAt, planType } = yield* auth.credentials
  yield* Console.log(`plan     ${planType ?? "unknown"}`)
  yield* Console.log(`account  ${hint(accountId)}`)
  yield* Console.log(
    `expires  ${expiresAt === undefined ? "unknown" : DateTime.formatIso(DateTime.unsafeMake(expiresAt))}`
  )
})

program.pipe(
  Effect.provide(NodeAuth.layer().pipe(Layer.provide(FetchHttpClient.layer))),
  Effect.tapError((error) => Console.error(error.message)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
