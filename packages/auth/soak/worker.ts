// One of several processes that share a credential file: refreshes it again and again, with impatient callers.
// Arguments: file, token endpoint, number of refreshes, name, kind of lock. Prints one JSON line per finished round.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { AuthStore, CodexAuth, FileLock, OAuth } from "../src/index.ts"
import { layerStore } from "../src/node.ts"

const [file = "", issuer = "", wanted = "0", name = "", lock = "flock"] = process.argv.slice(2)

/** What a person does when told to: logs in again, unless somebody else just has. */
const logInAgain = (spent: string | undefined) =>
  Effect.gen(function* () {
    const store = yield* AuthStore.AuthStore
    const tokens = yield* Effect.promise(async (): Promise<{ access_token: string; refresh_token: string }> => {
      const response = await fetch(`${issuer}/login`, { method: "POST", body: "{}" })
      return await response.json()
    })
    yield* store.modify((login) =>
      Effect.succeed([
        undefined,
        login?.refreshToken !== undefined && Redacted.value(login.refreshToken) !== spent
          ? login
          : {
              ...login,
              accessToken: Redacted.make(tokens.access_token),
              refreshToken: Redacted.make(tokens.refresh_token)
            }
      ] as const)
    )
  })

const spentToken = Effect.flatMap(AuthStore.AuthStore, (store) => store.read).pipe(
  Effect.map((login) => (login.refreshToken === undefined ? undefined : Redacted.value(login.refreshToken)))
)

let refreshes = 0

const countingOAuth = Effect.map(
  OAuth.OAuth,
  (oauth): OAuth.Service => ({
    ...oauth,
    refresh: (token, reason) =>
      Effect.tap(oauth.refresh(token, reason), () =>
        Effect.sync(() => {
          refreshes++
        })
      )
  })
)

/** A new session every round: each of them finds a token that is over and has to refresh it. */
const round = Effect.gen(function* () {
  const scope = yield* Scope.make()
  const auth = yield* CodexAuth.makeStore.pipe(
    Scope.extend(scope),
    Effect.provideServiceEffect(OAuth.OAuth, countingOAuth)
  )
  const before = yield* spentToken
  const caller = yield* Effect.fork(Effect.either(auth.credentials))
  const isImpatient = (yield* Random.nextIntBetween(0, 100)) < 30
  if (isImpatient) {
    yield* Effect.sleep(yield* Random.nextIntBetween(0, 40))
    yield* Fiber.interruptFork(caller)
  }
  const exit = yield* Fiber.await(caller)
  yield* Scope.close(scope, Exit.void)
  if (Exit.isFailure(exit)) return "interrupted"
  if (exit.value._tag === "Right") return "credentials"
  if (exit.value.left._tag === "LoginExpired") yield* logInAgain(before)
  return exit.value.left._tag
})

const program = Effect.gen(function* () {
  while (refreshes < Number(wanted)) {
    const outcome = yield* round
    yield* Effect.sync(() => process.stdout.write(`${JSON.stringify({ outcome, refreshes })}\n`))
  }
})

// Longer than a process is stopped, so that only the dead lose their lock.
const limits = { timeLimit: "5 minutes", staleAfter: "5 seconds" } as const

const store =
  lock === "flock"
    ? layerStore({ file, lock: limits })
    : AuthStore.layerFile(file).pipe(
        Layer.provide(FileLock.layer(limits)),
        Layer.provide([NodeFileSystem.layer, NodePath.layer])
      )

NodeRuntime.runMain(
  program.pipe(
    Effect.provide(
      Layer.merge(store, OAuth.layer({ issuer, userAgent: name })).pipe(Layer.provide(FetchHttpClient.layer))
    ),
    Logger.withMinimumLogLevel(LogLevel.None)
  )
)
