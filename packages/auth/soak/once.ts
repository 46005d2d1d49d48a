// One refresh, and what its caller gets. Arguments: file, token endpoint.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import { CodexAuth } from "../src/index.ts"
import * as NodeAuth from "../src/node.ts"

const [file = "", issuer = ""] = process.argv.slice(2)

NodeRuntime.runMain(
  Effect.flatMap(CodexAuth.CodexAuth, (auth) => auth.credentials).pipe(
    Effect.match({ onFailure: (error) => error.message, onSuccess: () => "refreshed" }),
    Effect.flatMap((text) => Effect.sync(() => void process.stdout.write(`${text}\n`))),
    Effect.provide(NodeAuth.layer({ file, oauth: { issuer } }).pipe(Layer.provide(FetchHttpClient.layer))),
    Logger.withMinimumLogLevel(LogLevel.None)
  )
)
