// A program that needs credentials, for tests that stop it. Arguments: file, token endpoint. Prints each signal that the
// library holds back, or that ends the program.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CodexAuth } from "../../src/index.ts"
import * as NodeAuth from "../../src/node.ts"

const [file = "", issuer = ""] = process.argv.slice(2)

// What is asked of the process for its listeners shows that a signal has arrived, without being a listener itself.
const emit = process.emit.bind(process) as (name: string, ...args: ReadonlyArray<unknown>) => boolean
process.emit = ((name: string, ...args: ReadonlyArray<unknown>) => {
  const isHandled = emit(name, ...args)
  if (name.startsWith("SIG")) process.stdout.write(`${name}\n`)
  return isHandled
}) as typeof process.emit

NodeRuntime.runMain(
  Effect.flatMap(CodexAuth.CodexAuth, (auth) => auth.credentials).pipe(
    Effect.zipRight(Effect.never),
    Effect.provide(NodeAuth.layer({ file, oauth: { issuer } }).pipe(Layer.provide(FetchHttpClient.layer)))
  ),
  { disableErrorReporting: true }
)
