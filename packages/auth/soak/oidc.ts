// The whole life of a login against a certified OpenID Connect provider on loopback, the person being a headless Chromium:
// log in, refresh, log out. `CHROMIUM` names the browser; the default is the one of the system.

import * as Fs from "node:fs"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import Provider from "oidc-provider"
import { chromium } from "playwright-core"
import { BrowserLogin, CallbackServer, CodexAuth, LoginInteraction, Logout, OAuth } from "../src/index.ts"
import * as NodeAuth from "../src/node.ts"

const resource = "urn:codex"

const configuration = {
  clients: [
    {
      client_id: OAuth.defaults.clientId,
      redirect_uris: CallbackServer.ports.map((port) => `http://127.0.0.1:${port}/auth/callback`),
      application_type: "native",
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"]
    }
  ],
  routes: { authorization: "/oauth/authorize", token: "/oauth/token", revocation: "/oauth/revoke" },
  features: {
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: OAuth.defaults.scope,
        accessTokenFormat: "jwt",
        accessTokenTTL: 3600,
        jwt: { sign: { alg: "RS256" } }
      })
    }
  },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: () => true,
  extraTokenClaims: () => ({
    "https://api.openai.com/auth": { chatgpt_account_id: "acc_oidc", chatgpt_plan_type: "plus" }
  }),
  findAccount: (_context: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id, email: id }) })
}

/** The provider, which reads forms only, behind a server that takes JSON too, as the real one does. */
const provider = Effect.acquireRelease(
  Effect.async<Http.Server>((resume) => {
    const server = Http.createServer()
    server.listen(0, "127.0.0.1", () => {
      const handler = new Provider(issuerOf(server), configuration).callback()
      server.on("request", async (request: Http.IncomingMessage & { body?: unknown }, response) => {
        if (request.headers["content-type"]?.startsWith("application/json")) {
          let text = ""
          for await (const chunk of request) text += chunk
          request.body = JSON.parse(text)
          request.headers["content-type"] = "application/x-www-form-urlencoded"
        }
        handler(request, response)
      })
      resume(Effect.succeed(server))
    })
  }),
  (server) => Effect.sync(() => server.close().closeAllConnections())
).pipe(Effect.map((server) => issuerOf(server)))

const issuerOf = (server: Http.Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`

const browser = Effect.acquireRelease(
  Effect.promise(() =>
    chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: ["--no-sandbox"] })
  ),
  (browser) => Effect.promise(() => browser.close())
)

const check = (condition: boolean, what: string) =>
  condition ? Console.log(`ok      ${what}`) : Effect.dieMessage(`failed: ${what}`)

const program = Effect.gen(function* () {
  const issuer = yield* provider
  const page = yield* Effect.flatMap(browser, (browser) => Effect.promise(() => browser.newPage()))
  const home = yield* Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "auth-oidc-"))),
    (home) => Effect.sync(() => Fs.rmSync(home, { recursive: true }))
  )
  const file = Path.join(home, "auth.json")

  /** What the browser asks for from the callback on; the pages before it are the provider's. */
  const requests: Array<URL> = []
  page.on("request", (request) => {
    const url = new URL(request.url())
    if (requests.length > 0 || url.pathname === "/auth/callback") requests.push(url)
  })
  const person = Layer.succeed(LoginInteraction.LoginInteraction, {
    openPage: (url) =>
      Effect.promise(async () => {
        await page.goto(url)
        await page.fill("input[name=login]", "person@example.org")
        await page.fill("input[name=password]", "anything")
        await page.click("button[type=submit]")
        await page.click("button[type=submit]")
      }).pipe(Effect.forkDaemon, Effect.asVoid),
    showDeviceCode: () => Effect.void,
    pastedCode: () => Effect.never
  })

  const store = NodeAuth.layerStore({ file })
  const oauth = OAuth.layer({ issuer }).pipe(Layer.provide(FetchHttpClient.layer))
  const services = Layer.mergeAll(store, oauth, NodeAuth.layerCallbackServer(), person)

  yield* Effect.gen(function* () {
    const credentials = yield* BrowserLogin.login()
    yield* check(Redacted.value(credentials.accountId) === "acc_oidc", "the browser login ends with credentials")
    const title = yield* Effect.promise(() => page.waitForSelector("h1").then((h1) => h1.textContent()))
    yield* check(title === "You are logged in", "the browser shows the page of success")
    yield* check(
      requests.every((url) => CallbackServer.ports.includes(Number(url.port))),
      "that page asks for nothing from elsewhere"
    )

    const auth = yield* CodexAuth.makeStore
    const refreshed = yield* auth.recover(credentials)
    yield* check(
      Redacted.value(refreshed.accessToken) !== Redacted.value(credentials.accessToken),
      "the refresh token is worth a new access token"
    )
    const { tokens } = JSON.parse(Fs.readFileSync(file, "utf8"))
    yield* check(yield* Logout.logout, "logging out finds the login")
    yield* check(!Fs.existsSync(file), "the credential file is gone")

    const { refresh } = yield* OAuth.OAuth
    const error = yield* Effect.flip(refresh(Redacted.make(tokens.refresh_token), "unauthorized_recovery"))
    yield* check(error._tag === "LoginExpired", "the revoked refresh token is worth nothing")
  }).pipe(Effect.provide(services))
}).pipe(Effect.scoped)

NodeRuntime.runMain(program)
