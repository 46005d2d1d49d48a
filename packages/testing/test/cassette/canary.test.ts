/** Secrets planted everywhere are in no recording, in no encoding. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Cassette from "@effect-codex/testing/Cassette"
import * as Recorder from "@effect-codex/testing/Recorder"
import * as Script from "@effect-codex/testing/Script"
import * as ScriptedBackend from "@effect-codex/testing/ScriptedBackend"
import * as TestAuth from "@effect-codex/testing/TestAuth"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

const canaries = {
  access: "CANARY-access-7f3a9c",
  refresh: "rt_CANARYrefresh81d2e5",
  account: "canary-acct-5b6c7d",
  user: "user-CANARYuser99887766",
  email: "canary.person@secret-domain.org",
  cookie: "CANARYcookie%2B4f5e",
  content: `gAAAAABcanaryContent_${"z".repeat(60)}-end==`,
  code: "CANARYcode_1a2b3c",
  state: "CANARYstate-9z8y",
  turnState: "CANARY-turn-state-31",
  key: "sk-CANARYkey0123456789abcdef",
  tool: "tool password ünïcode 42!",
  session: "canary-session-11"
}

const jwt = TestAuth.jwt({ accountId: canaries.account, userId: canaries.user, email: canaries.email })

/** Every way to write a value that the recorder's own code does not know of: made by Node. */
const encodings = (value: string): ReadonlyArray<string> => {
  const bytes = Buffer.from(value)
  const aligned = ["", "x", "xx"].flatMap((pad) => {
    const text = Buffer.concat([Buffer.from(pad), bytes, Buffer.from("yyy")]).toString("base64")
    const start = pad.length === 0 ? 0 : pad.length + 1
    return [text.slice(start, start + Math.floor((bytes.length * 8) / 6) - 2)]
  })
  return [
    value,
    JSON.stringify(value).slice(1, -1),
    encodeURIComponent(value),
    encodeURIComponent(encodeURIComponent(value)),
    bytes.toString("base64"),
    bytes.toString("base64url"),
    Buffer.from(bytes.toString("base64")).toString("base64").slice(2, -4),
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
    Array.from(value, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""),
    ...aligned,
    ...aligned.map((text) => text.replaceAll("+", "-").replaceAll("/", "_"))
  ]
}

const assertClean = (text: string, values: ReadonlyArray<string>) => {
  for (const value of values) {
    for (const form of encodings(value)) assert.notInclude(text, form)
    assert.notInclude(text.toLowerCase(), value.toLowerCase())
  }
}

const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`
const delta = (text: string, size: number, type = "response.output_text.delta") =>
  Array.from({ length: Math.ceil(text.length / size) }, (_, n) =>
    event({
      type,
      sequence_number: n,
      item_id: "msg_1",
      output_index: 0,
      content_index: 0,
      delta: text.slice(n * size, (n + 1) * size),
      logprobs: []
    })
  ).join("")

const all = Object.values(canaries).filter((value) => value !== canaries.session)

const stream = (size: number) =>
  [
    event({
      type: "response.created",
      response: {
        id: "resp_1",
        safety_identifier: canaries.user,
        prompt_cache_key: canaries.session,
        instructions: `Call ${canaries.email}`
      }
    }),
    ": a comment with a jwt ",
    `${jwt}\n\n`,
    delta(`Write to ${canaries.email}, or use ${canaries.key} and ${canaries.access}.`, size),
    delta(
      JSON.stringify({ api_key: canaries.code, note: canaries.tool }),
      size,
      "response.function_call_arguments.delta"
    ),
    event({ type: "response.output_text.done", text: all.join(" ") }),
    event({
      type: "response.output_item.done",
      item: { type: "reasoning", encrypted_content: canaries.content, summary: [] }
    }),
    event({
      type: "response.output_item.done",
      item: {
        type: "function_call",
        arguments: JSON.stringify({
          access_token: canaries.access,
          nested: JSON.stringify({ cookie: canaries.cookie })
        })
      }
    }),
    event({ type: "response.metadata", headers: { "x-codex-turn-state": canaries.turnState } }),
    ...all
      .flatMap((value) =>
        encodings(value)
          .slice(0, 3)
          .concat(Buffer.from(`<${value}>`).toString("base64"), Buffer.from(value).toString("hex"))
      )
      .map((text) => `data: ${text}\n\n`),
    // cut in the middle of an item
    `data: {"type":"response.output_item.done","item":{"type":"compaction","encrypted_content":"${canaries.content.slice(0, -8)}`
  ].join("")

const planted = (size: number) =>
  Script.bytes([stream(size)]).pipe(
    Script.chunked(size),
    Script.headers({
      "set-cookie": `__cf_bm=${canaries.cookie}; path=/; domain=.chatgpt.com; HttpOnly`,
      "x-codex-turn-state": canaries.turnState,
      "x-unknown": canaries.key,
      location: `https://${canaries.user}@example.org/cb?code=${canaries.code}&state=${canaries.state}#${canaries.access}`,
      "x-error-json": Buffer.from(JSON.stringify({ error: { code: "x", email: canaries.email } })).toString("base64")
    })
  )

const json = (body: unknown) => Script.status(401, { body })

const directory = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

/** Records what a program does against a script, and gives the file's text. */
const recorded = <A, E>(
  script: Script.Script,
  program: Effect.Effect<A, E, HttpClient.HttpClient | Recorder.Recorder>,
  options?: Recorder.Options
) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const file = `${yield* directory}/test.cassette`
    yield* program.pipe(
      Effect.provide(Recorder.layer(file, options).pipe(Layer.provide(ScriptedBackend.layer(script))))
    )
    return yield* fs.readFileString(file)
  })

const post = (path: string, body: HttpBody.HttpBody, headers: Record<string, string> = {}) =>
  HttpClientRequest.post(`https://chatgpt.com${path}`).pipe(
    HttpClientRequest.setBody(body),
    HttpClientRequest.setHeaders(headers),
    HttpClient.execute,
    Effect.flatMap((response) => response.text)
  )

const program = Effect.gen(function* () {
  yield* post(
    `/backend-api/codex/responses?token=${canaries.access}&x=${encodeURIComponent(canaries.tool)}`,
    HttpBody.unsafeJson({
      prompt_cache_key: canaries.session,
      client_metadata: { "x-codex-turn-state": canaries.turnState, "x-codex-installation-id": canaries.user },
      input: [
        { role: "user", content: all.join("\n") },
        { type: "reasoning", encrypted_content: canaries.content },
        { type: "function_call_output", output: Buffer.from(all.join(" ")).toString("base64") }
      ]
    }),
    {
      authorization: `Bearer ${canaries.access}`,
      "chatgpt-account-id": canaries.account,
      cookie: `a=1; __cf_bm=${canaries.cookie}`,
      "x-api-key": canaries.key,
      "session-id": canaries.session,
      "user-agent": `agent (${canaries.email})`
    }
  )
  yield* post(
    "/oauth/token",
    HttpBody.urlParams([
      ["grant_type", "authorization_code"],
      ["code", canaries.code],
      ["code_verifier", canaries.state],
      ["client_id", "app"]
    ] as never),
    {
      authorization: `Basic ${Buffer.from(`${canaries.user}:${canaries.key}`).toString("base64")}`
    }
  )
  yield* post("/oauth/token", HttpBody.unsafeJson({ grant_type: "refresh_token", refresh_token: canaries.refresh }))
  yield* post("/oauth/revoke", HttpBody.unsafeJson({ token: canaries.refresh }), { authorization: `Bearer ${jwt}` })
})

const script = (size: number) => [
  planted(size),
  json({ access_token: jwt, refresh_token: canaries.refresh, id_token: jwt, email: canaries.email }),
  json({
    error: { message: `${canaries.refresh} of ${canaries.email} was used (${encodeURIComponent(canaries.tool)})` }
  }),
  json({ accounts: [{ id: canaries.account, name: canaries.tool }], account_ordering: [canaries.account] })
]

/** What the deltas of a type come to. */
const deltasOf = (body: string, type: string): string =>
  body
    .split("\n")
    .filter((line) => line.startsWith(`data: {"type":"response.${type}.delta"`))
    .map((line) => JSON.parse(line.slice(6)).delta)
    .join("")

const secrets = { secrets: [Redacted.make(canaries.tool), Redacted.make(canaries.state)] }

describe("planted secrets", () => {
  for (const size of [1, 5, 16, 1_000_000]) {
    it.scoped(`are gone from a recording in chunks of ${size}`, () =>
      Effect.gen(function* () {
        const text = yield* recorded(script(size), program, secrets)
        assertClean(text, all)
        assert.notInclude(text, canaries.session)
        // neither are they in what a player would put together again
        const { exchanges } = yield* Cassette.decode(text)
        assert.lengthOf(exchanges, 4)
        for (const { request, response } of exchanges) {
          assertClean(Buffer.from(request.body).toString(), all)
          if (response._tag !== "Response") return assert.fail("no response")
          const body = Buffer.concat(response.chunks.map(({ bytes }) => bytes)).toString()
          assertClean(body, all)
          for (const type of ["output_text", "function_call_arguments"]) assertClean(deltasOf(body, type), all)
        }
      }).pipe(Effect.provide(NodeFileSystem.layer))
    )
  }

  it.scoped("leave everything else as it was, placeholders that tell what was there, and the same ones each time", () =>
    Effect.gen(function* () {
      const text = yield* recorded(script(50), program, secrets)
      assert.strictEqual(yield* recorded(script(50), program, secrets), text)
      for (const part of [
        "> authorization: Bearer scrubbed-token-1",
        "> chatgpt-account-id: scrubbed-account-1",
        "> cookie: a=scrubbed-cookie-1; __cf_bm=scrubbed-cookie-2",
        "< set-cookie: __cf_bm=scrubbed-cookie-2; path=/; domain=.chatgpt.com; HttpOnly",
        "scrubbed-1@example.invalid",
        "gAAAAscrubbed-content-1",
        '~   "grant_type": "refresh_token"'
      ]) {
        assert.include(text, part)
      }
      const { exchanges } = yield* Cassette.decode(text)
      const response = exchanges[0]?.response
      const body =
        response?._tag === "Response" ? Buffer.concat(response.chunks.map(({ bytes }) => bytes)).toString() : ""
      assert.strictEqual(
        deltasOf(body, "output_text"),
        "Write to scrubbed-1@example.invalid, or use scrubbed-value-1 and scrubbed-token-1."
      )
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})

describe("a secret in pieces", () => {
  const text = `Write to ${canaries.email}, now.`
  const pieces = text.match(/.{1,4}/gs) ?? []
  const protocols: Record<string, (piece: string, n: number) => unknown> = {
    "ids that change": (delta, n) => ({
      type: "response.output_text.delta",
      item_id: `msg_${n}`,
      output_index: 0,
      delta
    }),
    "parts of one delta": (stdout) => ({
      type: "response.shell_call_output_content.delta",
      output_index: 0,
      delta: { stdout, stderr: "x" }
    }),
    "chat completions": (content) => ({ id: "c1", choices: [{ index: 0, delta: { content } }] }),
    "content blocks": (text) => ({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } })
  }
  for (const [name, make] of Object.entries(protocols)) {
    it.scoped(`is gone, whatever the protocol: ${name}`, () =>
      Effect.gen(function* () {
        const body = pieces.map((piece, n) => event(make(piece, n))).join("")
        const file = yield* recorded(
          [Script.bytes([body]).pipe(Script.chunked(9))],
          post("/x", HttpBody.unsafeJson({}))
        )
        const { exchanges } = yield* Cassette.decode(file)
        const response = exchanges[0]?.response
        const sent =
          response?._tag === "Response" ? Buffer.concat(response.chunks.map(({ bytes }) => bytes)).toString() : ""
        const find = (value: unknown): string =>
          typeof value === "object" && value !== null
            ? Object.entries(value)
                .map(([key, inner]) =>
                  ["delta", "stdout", "content", "text"].includes(key) && typeof inner === "string"
                    ? inner
                    : find(inner)
                )
                .join("")
            : ""
        const joined = sent
          .split("\n")
          .map((line) => (line.startsWith("data: ") ? find(JSON.parse(line.slice(6))) : ""))
          .join("")
        assert.strictEqual(joined, "Write to scrubbed-1@example.invalid, now.")
      }).pipe(Effect.provide(NodeFileSystem.layer))
    )
  }

  it.scoped("in a path is gone as well", () =>
    Effect.gen(function* () {
      const text = yield* recorded([Script.status(200)], post(`/people/${canaries.email}/x`, HttpBody.unsafeJson({})))
      assertClean(text, [canaries.email])
      assert.include(text, "/people/scrubbed-1@example.invalid/x")
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})

describe("a token in a recording", () => {
  it.scoped("still says what clients read in it, of nobody", () =>
    Effect.gen(function* () {
      const text = yield* recorded([json({ access_token: jwt })], post("/oauth/token", HttpBody.unsafeJson({})))
      const token = /eyJ[\w-]+\.([\w-]+)\.scrubbed-jwt-1/.exec(text)
      const claims = JSON.parse(Buffer.from(token?.[1] ?? "", "base64url").toString())
      assert.deepStrictEqual(claims, {
        exp: 4_102_444_800,
        email: "scrubbed-1@example.invalid",
        "https://api.openai.com/auth": {
          chatgpt_account_id: "scrubbed-account-1",
          chatgpt_plan_type: "plus",
          chatgpt_user_id: "scrubbed-user-1",
          user_id: "scrubbed-user-1",
          chatgpt_account_is_fedramp: false
        }
      })
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})

describe("what only looks like a secret", () => {
  it.scoped("stays", () =>
    Effect.gen(function* () {
      const body = {
        model: "gpt-5.5",
        usage: { input_tokens: 12, total_tokens: 13 },
        logprobs: [{ token: "Hello", logprob: -1 }],
        error: { code: "invalid_grant", param: "input" },
        state: "completed",
        text: "npm install effect@3.22.4; start_tokens; task-force; an empty token is no token",
        id: "resp_0a63f40a2632b74300699f8818e5648196a8fa657ae8091421",
        tools: [
          {
            type: "function",
            parameters: { properties: { email: { type: "string" }, password: { type: "string" } }, required: ["email"] }
          }
        ]
      }
      const text = yield* recorded(
        [Script.status(200, { body })],
        post("/backend-api/codex/responses", HttpBody.unsafeJson(body))
      )
      assert.notInclude(text, "scrubbed")
      const { exchanges } = yield* Cassette.decode(text)
      assert.strictEqual(Buffer.from(exchanges[0]?.request.body ?? []).toString(), JSON.stringify(body))
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})

describe("a recording is refused", () => {
  /** The recorder's own error, before the scope ends with it. */
  const refusal = (
    script: Script.Script,
    program: Effect.Effect<unknown, unknown, HttpClient.HttpClient>,
    options?: Recorder.Options
  ) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = `${yield* directory}/test.cassette`
      const { client, recorder } = yield* Recorder.make(file, options).pipe(
        Effect.provide(ScriptedBackend.layer(script))
      )
      yield* Effect.provideService(program, HttpClient.HttpClient, client)
      const error = yield* Effect.flip(Effect.tap(recorder.save, Effect.dieMessage("it was written")))
      assert.isFalse(yield* fs.exists(file))
      assert.isFalse(yield* fs.exists(`${file}.new`))
      return error
    }).pipe(Effect.provide(NodeFileSystem.layer))

  it.scoped("when a secret is left in a form that nobody thought of", () =>
    Effect.gen(function* () {
      for (const [name, text] of [
        ["in another case", canaries.access.toUpperCase()],
        ["in UTF-16", Buffer.from(canaries.access, "utf16le").toString()],
        [
          "base64 of hex in another case",
          Buffer.from(`x${Buffer.from(canaries.access.toUpperCase()).toString("hex")}`).toString("base64")
        ],
        ["hex of base64", Buffer.from(Buffer.from(canaries.access).toString("base64")).toString("hex")],
        [
          "percent of percent",
          `%25${Buffer.from(canaries.access).toString("hex").replace(/../g, "$&%25").slice(0, -3)}`
        ]
      ] as const) {
        const error = yield* refusal(
          [Script.status(200, { body: { text } })],
          post("/x", HttpBody.unsafeJson({}), { authorization: `Bearer ${canaries.access}` })
        )
        assert.deepInclude(error, { _tag: "RecorderError", reason: "secret" }, name)
        assert.include(error.message, "the body of response 1")
        assertClean(error.message, [canaries.access])
      }
    })
  )

  it.scoped("when the name of a header says a secret, in whatever encoding", () =>
    Effect.gen(function* () {
      for (const form of [
        canaries.access,
        ...["hex", "base64url"].map((e) => Buffer.from(canaries.access).toString(e as "hex"))
      ]) {
        const error = yield* refusal(
          [Script.status(200, { headers: { [`x-${form}`]: "1" } })],
          post("/x", HttpBody.unsafeJson({}), { authorization: `Bearer ${canaries.access}` })
        )
        assert.deepInclude(error, { _tag: "RecorderError", reason: "secret" }, form)
      }
    })
  )

  it.scoped("when a body is compressed, whose ever it is", () =>
    Effect.gen(function* () {
      const answer = Script.turn({ text: "Hi" }).pipe(Script.gzip)
      const received = yield* refusal([answer], post("/x", HttpBody.unsafeJson({})))
      assert.deepInclude(received, { _tag: "RecorderError", reason: "compressed" })
      assert.include(received.message, "response 1 is compressed (gzip)")
      const sent = yield* refusal(
        [Script.status(200)],
        post("/x", HttpBody.uint8Array(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x80)), { "content-encoding": "zstd" })
      )
      assert.include(sent.message, "request 1 is compressed (zstd). Turn the client's compression off")
    })
  )

  it.effect("by the end of the Layer where nobody asked before", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        Effect.scoped(
          recorded(
            [Script.status(200, { body: canaries.access.toUpperCase() })],
            post("/x", HttpBody.unsafeJson({}), { authorization: `Bearer ${canaries.access}` })
          )
        )
      )
      assert.include(String(exit), "RecorderError")
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})
