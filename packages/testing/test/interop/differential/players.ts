/** Plays a scenario to the Codex CLI and to this library, each with a backend and a login of its own. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as AuthNode from "@effect-codex/auth/node"
import { Script, StrictBackend, TestAuth } from "@effect-codex/testing"
import { BackendServer } from "@effect-codex/testing/node"
import * as TransportNode from "@effect-codex/transport/node"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Codex, CodexConfig, Conversation, Tool, Toolkit } from "effect-codex"
import * as CodexCli from "../codexCli.ts"
import { temporary } from "../installed.ts"
import type { Scenario } from "./scenarios.ts"
import { type Seen, seen } from "./seen.ts"

/** One who plays: gets a directory with a login in `auth.json`, and says how the turn ended. */
export type Player = (
  scenario: Scenario,
  options: { readonly url: string; readonly home: string }
) => Effect.Effect<CodexCli.Outcome>

const isTurn = ({ path }: Script.Request): boolean => path.endsWith("/codex/responses")

/** A request that only warms the socket up (protocol H.3). */
export const isWarmUp = ({ body }: Script.Request): boolean =>
  typeof body === "object" && body !== null && "generate" in body && body.generate === false

const warm = Script.turn({ usage: { inputTokens: 0, outputTokens: 0 } })

/** Tokens of a login, and what becomes of it before the first request. */
const tokensOf = (strict: StrictBackend.StrictBackend.Service, { login }: Scenario) =>
  Effect.gen(function* () {
    const { accessToken, idToken, refreshToken } = yield* strict.login()
    const value = (token: Redacted.Redacted | undefined) => (token === undefined ? "" : Redacted.value(token))
    if (login === "expired") yield* strict.expireTokens()
    if (login === "ended") yield* strict.endLogins()
    return { id_token: value(idToken), access_token: value(accessToken), refresh_token: value(refreshToken) }
  }).pipe(Effect.orDie)

/** A directory with the login in the form of the CLI's (protocol F.1). */
const homeWith = (tokens: Readonly<Record<string, string>>) =>
  Effect.tap(temporary("codex-home-"), (home) => {
    const login = {
      auth_mode: "chatgpt",
      OPENAI_API_KEY: null,
      tokens: { ...tokens, account_id: "acc_test" },
      last_refresh: new Date(Date.now() - 3_600_000).toISOString()
    }
    return Effect.sync(() => Fs.writeFileSync(Path.join(home, "auth.json"), JSON.stringify(login), { mode: 0o600 }))
  })

export const play = (player: Player, scenario: Scenario): Effect.Effect<Seen> =>
  Effect.gen(function* () {
    const { handshakes, script, token = [] } = scenario
    // the CLI of today sends no instructions (protocol C.2)
    const strict = yield* StrictBackend.make({ script, instructionsRequired: false })
    const tokens = yield* tokensOf(strict, scenario)
    // good for two minutes more by its own account, and taken for the one it stands for
    const brief = TestAuth.jwt({ expiresAt: Date.now() + 120_000 })
    const responder: Script.Responder = (request, earlier) => {
      if (isTurn(request) && isWarmUp(request)) return warm
      const refreshes = earlier.filter(({ path }) => path === "/oauth/token").length
      const instead = request.path === "/oauth/token" ? token[refreshes] : undefined
      const isBrief = request.headers["authorization"] === `Bearer ${brief}`
      const headers = isBrief ? { authorization: `Bearer ${tokens.access_token}` } : {}
      return instead ?? strict.script({ ...request, headers: { ...request.headers, ...headers } }, earlier)
    }
    const server = yield* Effect.orDie(
      BackendServer.make({ script: responder, onUnexpected: "answer", ...(handshakes && { handshakes }) })
    )
    const isBrief = scenario.login === "about to expire"
    const home = yield* homeWith({ ...tokens, ...(isBrief && { access_token: brief }) })
    const outcome = yield* player(scenario, { url: server.url, home }).pipe(
      Effect.timeoutTo({
        duration: "4 minutes",
        onSuccess: (outcome): CodexCli.Outcome => outcome,
        onTimeout: () => ({ text: undefined, failure: "no end in four minutes" })
      })
    )
    return seen({
      scenario,
      outcome,
      requests: (yield* server.requests).filter((request) => !isWarmUp(request)),
      handshakes: (yield* server.sockets).opened,
      refusals: yield* strict.refusals
    })
  }).pipe(Effect.scoped)

export const cli =
  (path: string): Player =>
  ({ impatient, over }, { home, url }) =>
    CodexCli.exec(path, {
      url,
      home,
      settings: {
        model: "gpt-5.5",
        chatgpt_base_url: `${url}/`,
        check_for_update_on_startup: false,
        "analytics.enabled": false,
        // what asks other endpoints beside the turn
        "features.plugins": false,
        "features.apps": false
      },
      provider: {
        requires_openai_auth: true,
        supports_websockets: over === "websocket",
        ...(impatient === true && { stream_idle_timeout_ms: 2000 })
      },
      environment: { CODEX_REFRESH_TOKEN_URL_OVERRIDE: `${new URL(url).origin}/oauth/token` }
    })

const execCommand = Toolkit.handler(
  Tool.unsafeMake({
    name: "exec_command",
    description: "Runs a command.",
    parameters: Schema.Struct({ cmd: Schema.String })
  }),
  () => Effect.succeed("17\n")
)

/** The text of a message of the model's. */
const saidBy = (entry: unknown): ReadonlyArray<string> => {
  const item = entry as { readonly role?: string; readonly content?: ReadonlyArray<{ readonly text?: string }> }
  return item.role === "assistant" ? [(item.content ?? []).map(({ text = "" }) => text).join("")] : []
}

export const here: Player = ({ impatient, over }, { home, url }) =>
  Effect.gen(function* () {
    const conversation = yield* Conversation.make({ tools: [execCommand] })
    const result = yield* Effect.either(conversation.complete("Say it."))
    return Either.match(result, {
      onLeft: (error) => ({ text: undefined, failure: `${error._tag}: ${error.message}` }),
      onRight: ({ items }) => ({
        text: items.flatMap(saidBy).join(" | "),
        failure: undefined
      })
    })
  }).pipe(
    Effect.provide(
      Codex.layerCarrier.pipe(
        Layer.provide(
          CodexConfig.layer({
            baseUrl: url,
            model: "gpt-5.5",
            transport: over === "websocket" ? "auto" : "sse",
            ...(impatient === true && { timeouts: { idle: "2 seconds" } })
          })
        ),
        Layer.provide(AuthNode.layer({ file: Path.join(home, "auth.json"), oauth: { issuer: new URL(url).origin } })),
        Layer.provide(TransportNode.layer({ proxy: "none" }))
      )
    ),
    Effect.orDie
  )
