/**
 * A backend that validates requests: it has accounts, logins, limits and a catalogue, checks each request like the real
 * backend, and responds with the same errors. The output of the model comes from a script, as with `ScriptedBackend`.
 *
 * It plays `/codex/responses` by server-sent events and over WebSockets, `/codex/models`, `/wham/usage`,
 * `/wham/accounts/check`, and the authorize, token, revoke and device endpoints of the login server. {@link layer}
 * plays it without sockets, `BackendServer.layerStrict` of `@effect-codex/testing/node` over real sockets.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as AuthStore from "@effect-codex/auth/AuthStore"
import * as CodexAuth from "@effect-codex/auth/CodexAuth"
import type { Login } from "@effect-codex/auth/Login"
import * as OAuth from "@effect-codex/auth/OAuth"
import * as ModelCatalogue from "@effect-codex/schema/ModelCatalogue"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as MutableRef from "effect/MutableRef"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Invented from "./internal/invented.ts"
import { asObject, asString, parseJson } from "./internal/json.ts"
import * as Step from "./internal/step.ts"
import * as Accounts from "./internal/strict/accounts.ts"
import * as Backend from "./internal/strict/backend.ts"
import * as Logins from "./internal/strict/logins.ts"
import { fieldsOf } from "./internal/strict/oauth.ts"
import { type Refusal as Answer, invalid } from "./internal/strict/refusal.ts"
import * as RequestChecks from "./internal/strict/requestChecks.ts"
import * as Usage from "./internal/strict/usage.ts"
import * as PromptCache from "./PromptCache.ts"
import * as Script from "./Script.ts"
import * as ScriptedBackend from "./ScriptedBackend.ts"

/**
 * The limit of a usage window: the number of tokens, input and output together, from its first use until it ends.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limit {
  readonly minutes: number
  readonly tokens: number
}

/**
 * An account of the backend. Only `id` is required.
 *
 * @since 0.1.0
 * @category models
 */
export interface Account {
  readonly id: string
  /** Accounts with the same user id are workspaces of one user. Default: `user_test`. */
  readonly userId?: string
  /** Default: `test@example.org`. */
  readonly email?: string
  /** Default: `plus`. */
  readonly planType?: string
  readonly isFedramp?: boolean
  readonly name?: string
  /** In a `workspace`, errors say that a limit belongs to the workspace. Default: `personal`. */
  readonly structure?: "personal" | "workspace"
  /** Every request is answered with 402. */
  readonly isDeactivated?: boolean
  /** `false`: the plan does not include Codex, and turns are answered with 429 `usage_not_included`. */
  readonly hasCodex?: boolean
  /** The slugs of the available models. Default: those of its plan. */
  readonly models?: ReadonlyArray<string>
  /** Default: ten million tokens in five hours, a hundred million in a week. `null`: no such window. */
  readonly limits?: { readonly primary?: Limit | null; readonly secondary?: Limit | null }
  /** The origin that serves the workspace (protocol A.4). Default: any. */
  readonly backendOrigin?: string
  readonly routingOverride?: string
}

/**
 * @since 0.1.0
 * @category configuration
 */
export interface Options {
  /** Default: one account, `acc_test`. The first one is the default account. */
  readonly accounts?: ReadonlyArray<Account>
  /** The catalogue, each entry with at least a `slug`. Default: the one bundled with this library. */
  readonly models?: ReadonlyArray<{ readonly slug: string; readonly [key: string]: unknown }>
  /**
   * The responses to valid requests. Default: the model repeats the prompt, and reports the usage of a prompt cache.
   */
  readonly script?: Script.Script
  /** Whether a request without `instructions` is refused (protocol C.2). Default: `true`. */
  readonly instructionsRequired?: boolean
  /** The lifetime of an access token. Default: 10 days. */
  readonly accessTokenLifetime?: Duration.DurationInput
  /** The lifetime of a refresh token. Default: a year. */
  readonly refreshTokenLifetime?: Duration.DurationInput
  /** Whether device login is enabled. Default: `true`. */
  readonly deviceLogin?: boolean
  /**
   * The valid redirect URIs of a browser login. Default: `/auth/callback` on the loopback ports 1455 and 1457 (protocol
   * F.8).
   */
  readonly isRedirectUri?: (uri: string) => boolean
}

/**
 * No account of the backend has this id.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownAccount extends Data.TaggedError("UnknownAccount")<{
  readonly accountId: string
  readonly known: ReadonlyArray<string>
}> {
  override get message() {
    return `The backend has no account ${this.accountId}; it has ${this.known.join(", ")}.`
  }
}

/**
 * No device login is pending for this code.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownDeviceCode extends Data.TaggedError("UnknownDeviceCode")<{ readonly userCode: string }> {
  override get message() {
    return `No device login is pending for the code ${this.userCode}. It was never issued, has expired, or was used.`
  }
}

/**
 * The strict backend.
 *
 * @since 0.1.0
 * @category tags
 */
export class StrictBackend extends Context.Tag("@effect-codex/testing/StrictBackend")<
  StrictBackend,
  StrictBackend.Service
>() {}

/**
 * @since 0.1.0
 */
export declare namespace StrictBackend {
  /**
   * An omitted account id means the first account.
   *
   * @since 0.1.0
   * @category models
   */
  interface Service {
    /** The whole backend as a script for `ScriptedBackend` or `BackendServer`. */
    readonly script: Script.Responder
    /** The rejected requests, oldest first, without rejected logins. */
    readonly refusals: Effect.Effect<ReadonlyArray<Script.Refusal>>
    /** The tokens of a new login, as stored by an `AuthStore`. */
    readonly login: (accountId?: string) => Effect.Effect<Login, UnknownAccount>
    /** Ends all logins of an account by revoking their tokens. */
    readonly endLogins: (accountId?: string) => Effect.Effect<void, UnknownAccount>
    /** Expires the access tokens of an account. They can be refreshed. */
    readonly expireTokens: (accountId?: string) => Effect.Effect<void, UnknownAccount>
    /**
     * The next action of the user in the browser: log in with this account, even if another one was requested, or deny.
     */
    readonly nextLogin: (
      decision: { readonly accountId: string } | { readonly denied: string }
    ) => Effect.Effect<void, UnknownAccount>
    /** The user enters the code of a device login. */
    readonly approveDevice: (
      userCode: string,
      accountId?: string
    ) => Effect.Effect<void, UnknownAccount | UnknownDeviceCode>
    /** The user denies a device login. */
    readonly denyDevice: (userCode: string) => Effect.Effect<void, UnknownDeviceCode>
    /** Sets the usage of a window in percent. At 100, turns are rejected until the window ends. */
    readonly fillWindow: (
      window: "primary" | "secondary",
      percent: number,
      accountId?: string
    ) => Effect.Effect<void, UnknownAccount>
    /** Replaces the catalogue and its ETag. */
    readonly publish: (models: NonNullable<Options["models"]>) => Effect.Effect<void>
    /** Advances the backend's clock, so that windows and tokens expire without waiting. */
    readonly elapse: (duration: Duration.DurationInput) => Effect.Effect<void>
  }
}

const defaultAccounts: ReadonlyArray<Account> = [{ id: "acc_test" }]

const isRegisteredRedirect = (uri: string) => /^http:\/\/(?:localhost|127\.0\.0\.1):145[57]\/auth\/callback$/.test(uri)

const parrot = PromptCache.responder(({ input, prompt }) =>
  input.at(-1)?.type === "compaction_trigger" ? { compaction: true } : { reasoning: [], text: `You said: ${prompt}` }
)

const sha256 = (text: string): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))),
    (bytes) => Encoding.encodeBase64Url(new Uint8Array(bytes))
  )

const toStep = (answer: Answer, headers: Readonly<Record<string, string>>): Script.Step =>
  Script.status(answer.status, { body: answer.body, headers: { ...headers, ...answer.headers } })

/** How long a WebSocket may be used (protocol H.5). */
const socketLifetime = 60 * 60_000

const socketTooOld = invalid(
  "Responses websocket connection limit reached (60 minutes). Create a new websocket connection to continue.",
  null,
  "websocket_connection_limit_reached"
)

/** What a request is answered that has nothing generated. */
const warmUp = Script.turn({ usage: { inputTokens: 0, outputTokens: 0 } })

/** The event in a part of a body. */
const eventOf = (part: Script.BodyPart) => {
  const text = part.isEvent ? new TextDecoder().decode(part.bytes) : ""
  if (!text.includes('"encrypted_content"') && !text.includes('"usage"')) return undefined
  const data = /^data: ?(.*)$/m.exec(text)?.[1]
  return data === undefined ? undefined : asObject(parseJson(data))
}

/**
 * Creates a strict backend.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<StrictBackend.Service> =>
  Effect.gen(function* () {
    const accounts = options.accounts ?? defaultAccounts
    const settings: Backend.Settings = {
      accounts,
      instructionsRequired: options.instructionsRequired ?? true,
      deviceLogin: options.deviceLogin ?? true,
      isRedirectUri: options.isRedirectUri ?? isRegisteredRedirect,
      lifetimes: {
        access: Duration.toMillis(options.accessTokenLifetime ?? "10 days"),
        refresh: Duration.toMillis(options.refreshTokenLifetime ?? "365 days")
      }
    }
    const salt = (yield* Random.nextIntBetween(0, 2 ** 31 - 1)).toString(36)
    const state = MutableRef.make<Backend.State>({
      logins: Logins.empty(salt),
      used: HashMap.empty(),
      issued: HashMap.empty(),
      models: options.models ?? ModelCatalogue.bundled,
      ahead: 0,
      nextLogin: undefined
    })
    const refusals: Array<Script.Refusal> = []
    const served: Array<Script.Request> = []
    const script = Script.toResponder(options.script ?? parrot)

    const modify = <A>(change: (state: Backend.State) => readonly [A, Backend.State]): Effect.Effect<A> =>
      Effect.sync(() => {
        const [result, next] = change(MutableRef.get(state))
        MutableRef.set(state, next)
        return result
      })
    const update = (change: (state: Backend.State) => Backend.State): Effect.Effect<void> =>
      modify((state) => [undefined, change(state)])
    const now = Effect.map(Clock.currentTimeMillis, (now) => now + MutableRef.get(state).ahead)

    const account = (accountId = accounts[0]?.id ?? ""): Effect.Effect<Account, UnknownAccount> => {
      const found = accounts.find(({ id }) => id === accountId)
      return found === undefined
        ? Effect.fail(new UnknownAccount({ accountId, known: accounts.map(({ id }) => id) }))
        : Effect.succeed(found)
    }

    /** Records the events while they are sent. */
    const watched = (step: Script.Step, owner: Account, before: ReadonlyArray<Script.Event>): Script.Step =>
      Step.make({
        ...step,
        body: function* (request) {
          // they are not the script's, which counts its own
          const ahead = step.status === 200 ? Script.events(before).body(request) : []
          for (const part of ahead) yield { ...part, isEvent: false }
          for (const part of step.body({ ...request, salt })) {
            const event = eventOf(part)
            if (event !== undefined) {
              MutableRef.update(state, (state) => Backend.sent(state, owner, event, request.receivedAt))
            }
            yield part
          }
        }
      })

    /** When each WebSocket was opened. */
    const openedAt = new Map<number, number>()

    const refused = (refusal: Script.Refusal) =>
      Effect.sync(() => {
        refusals.push(refusal)
      })
    const refuse = (request: Script.Request, { body, status }: Answer) => refused({ request, status, body })

    const sockets: Script.Sockets = {
      handshake: Effect.fnUntraced(function* (request, socket) {
        const { headers, refused } = Backend.door(settings, MutableRef.get(state), request, socket)
        openedAt.set(socket, yield* now)
        if (refused === undefined) return { status: 101, headers }
        yield* refuse(request, refused)
        const { body, status } = refused
        const isText = typeof body === "string"
        return {
          status,
          headers: { ...headers, "content-type": isText ? "text/html" : "application/json", ...refused.headers },
          body: isText ? body : JSON.stringify(body)
        }
      }),
      refused
    }

    const isTooOld = (request: Script.Request): boolean => {
      const opened = request.message === undefined ? undefined : openedAt.get(request.message.socket)
      return opened !== undefined && request.receivedAt + MutableRef.get(state).ahead - opened >= socketLifetime
    }

    const respond = Effect.fnUntraced(function* (request: Script.Request) {
      if (isTooOld(request)) {
        yield* refuse(request, socketTooOld)
        return toStep(socketTooOld, {})
      }
      const offered = asString(fieldsOf(request.body)["code_verifier"])
      const verifier = offered ?? Invented.letters(`${salt}/verifier/${request.number}`, 64)
      const needsPkce = request.method === "POST" && !request.path.endsWith("/codex/responses")
      const challenge = needsPkce ? yield* sha256(verifier) : ""
      const outcome = yield* modify((state) => Backend.handle(settings, state, request, { verifier, challenge }))
      if (outcome._tag !== "Turn") {
        if (outcome._tag === "Refused") yield* refuse(request, outcome.answer)
        return toStep(outcome.answer, outcome.headers)
      }
      const { account, events, headers } = outcome
      if (RequestChecks.isWarmUp(request.body)) return watched(warmUp, account, events)
      const decide = script(request, served)
      served.push(request)
      const step = yield* decide
      // the script's headers override the backend's
      return watched(Step.make({ ...step, headers: { ...headers, ...step.headers } }), account, events)
    })

    const decideDevice = (userCode: string, decision: { readonly accountId: string } | "denied") =>
      Effect.gen(function* () {
        const at = yield* now
        const found = yield* modify((state) => {
          const [found, logins] = Logins.decideDevice(state.logins, userCode, decision, at)
          return [found, { ...state, logins }]
        })
        if (!found) return yield* new UnknownDeviceCode({ userCode })
      })

    return {
      script: Object.assign(respond, { sockets }),
      refusals: Effect.sync(() => refusals.slice()),
      login: Effect.fnUntraced(function* (accountId) {
        const owner = yield* account(accountId)
        const at = yield* now
        const tokens = yield* modify((state) => {
          const subject = { ...Accounts.subjectOf(owner), accountId: owner.id }
          const [tokens, logins] = Logins.login(state.logins, subject, at, settings.lifetimes)
          return [tokens, { ...state, logins }]
        })
        return {
          accessToken: Redacted.make(tokens.accessToken),
          refreshToken: Redacted.make(tokens.refreshToken),
          idToken: Redacted.make(tokens.idToken),
          // no `lastRefresh`, because clients do not refresh a new login
          accountId: Redacted.make(owner.id)
        }
      }),
      endLogins: Effect.fnUntraced(function* (accountId) {
        const { id } = yield* account(accountId)
        yield* update((state) => ({ ...state, logins: Logins.endAll(state.logins, id) }))
      }),
      expireTokens: Effect.fnUntraced(function* (accountId) {
        const { id } = yield* account(accountId)
        const at = yield* now
        yield* update((state) => ({ ...state, logins: Logins.expireAll(state.logins, id, at) }))
      }),
      nextLogin: Effect.fnUntraced(function* (decision) {
        if ("accountId" in decision) yield* account(decision.accountId)
        yield* update((state) => ({ ...state, nextLogin: decision }))
      }),
      approveDevice: Effect.fnUntraced(function* (userCode, accountId) {
        const { id } = yield* account(accountId)
        yield* decideDevice(userCode, { accountId: id })
      }),
      denyDevice: (userCode) => decideDevice(userCode, "denied"),
      fillWindow: Effect.fnUntraced(function* (window, percent, accountId) {
        const owner = yield* account(accountId)
        const at = yield* now
        yield* update((state) => {
          const used = Usage.fill(owner, Backend.usedOf(state, owner), window, percent, at)
          return { ...state, used: HashMap.set(state.used, owner.id, used) }
        })
      }),
      publish: (models) => update((state) => ({ ...state, models })),
      elapse: (duration) => update((state) => ({ ...state, ahead: state.ahead + Duration.toMillis(duration) }))
    }
  })

/**
 * An `HttpClient` connected to a strict backend, by the program's `Clock`. `ScriptedBackend` has the requests, and
 * `StrictBackend` controls the backend.
 *
 * @example
 * ```ts
 * import * as HttpClient from "@effect/platform/HttpClient"
 * import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
 * import * as StrictBackend from "@effect-codex/testing/StrictBackend"
 * import * as Effect from "effect/Effect"
 *
 * // 401 {"detail":"Unauthorized"}
 * const program = HttpClientRequest.get("https://chatgpt.com/backend-api/wham/usage").pipe(
 *   HttpClientRequest.setHeader("user-agent", "my-program"),
 *   HttpClient.execute,
 *   Effect.flatMap((response) => response.json),
 *   Effect.provide(StrictBackend.layer())
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options & ScriptedBackend.Options = {}
): Layer.Layer<HttpClient.HttpClient | ScriptedBackend.ScriptedBackend | StrictBackend> =>
  Layer.unwrapEffect(
    Effect.map(make(options), (backend) =>
      Layer.merge(ScriptedBackend.layer(backend.script, options), Layer.succeed(StrictBackend, backend))
    )
  )

/**
 * `CodexAuth` with a new login of an account, refreshed by the backend when needed. `issuer` is the address of the
 * login server: for a backend over sockets, the origin of its URL.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerAuth = (
  options: { readonly accountId?: string; readonly issuer?: string } = {}
): Layer.Layer<CodexAuth.CodexAuth, UnknownAccount, StrictBackend | HttpClient.HttpClient> =>
  CodexAuth.layerStore.pipe(
    Layer.provide(OAuth.layer(options.issuer === undefined ? {} : { issuer: options.issuer })),
    Layer.provide(
      Layer.unwrapEffect(
        Effect.map(
          Effect.flatMap(StrictBackend, (backend) => backend.login(options.accountId)),
          AuthStore.layerMemory
        )
      )
    )
  )
