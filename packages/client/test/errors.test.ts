/** Errors are values: nothing is added to one that somebody else may hold. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { AuthError, CodexAuth } from "@effect-codex/auth"
import { Failure, JsonSchema, OutputFormat, Tool } from "@effect-codex/schema"
import { Script, ScriptedBackend, TestAuth, TestCodex } from "@effect-codex/testing"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import { Codex, CodexConfig, CodexError, Conversation, Snapshot, ToolError } from "effect-codex"
import { requests, run } from "./support.ts"

/** A login that has expired; every recovery fails with one and the same remembered error. */
const expired = new AuthError.LoginExpired({ reason: "expired" })
const rememberingAuth = Layer.effect(
  CodexAuth.CodexAuth,
  Effect.map(CodexAuth.CodexAuth, ({ credentials }) => ({ credentials, recover: () => Effect.fail(expired) }))
).pipe(Layer.provide(TestAuth.layer()))

const client = (script: Script.Script) =>
  Codex.layer.pipe(
    Layer.provide(CodexConfig.layer()),
    Layer.provide(rememberingAuth),
    Layer.provideMerge(ScriptedBackend.layer(script))
  )

describe("an error that is remembered and shared", () => {
  it.effect("tells each conversation only what is its own", () =>
    Effect.gen(function* () {
      const before = JSON.stringify(expired)
      const [first, second] = yield* Effect.all([Conversation.make(), Conversation.make()])
      const errors = yield* run(Effect.all([first, second].map((conversation) => Effect.flip(conversation.send("?")))))
      assert.deepStrictEqual(
        errors.map(({ _tag }) => _tag),
        ["LoginExpired", "LoginExpired"]
      )
      assert.deepStrictEqual(
        errors.map(({ partial }) => partial?.text),
        ["First's own words", "Second's own words"]
      )
      assert.strictEqual(JSON.stringify(expired), before)
      assert.isUndefined(expired.partial)
    }).pipe(
      Effect.provide(
        client((_, { length }) => {
          const words = ["First's own words", "Second's own words"][Math.floor(length / 2)] ?? ""
          return length % 2 === 0
            ? Script.turn({ text: words }).pipe(Script.truncateAfterEvents(7))
            : Script.status(401)
        })
      )
    )
  )
})

describe("an error that quotes the model", () => {
  const said = "a\u001b[31mb\u202Ec\u0007\nd"
  const issues = [{ path: [said], message: said }]
  for (const error of [
    new ToolError.UnknownTool({ name: said, known: [] }),
    new ToolError.UnknownTool({ name: said, known: ["pay"] }),
    new ToolError.CallRejected({ name: said, reason: "repeated" }),
    new Tool.InvalidToolArguments({ tool: "pay", callId: "c", arguments: said, reason: "mismatch", issues }),
    new OutputFormat.InvalidOutput({ format: "answer", reason: "refused", text: said, issues: [] }),
    new OutputFormat.InvalidOutput({ format: "answer", reason: "mismatch", text: said, issues })
  ]) {
    it(`changes nothing on a terminal: ${error._tag}`, () => {
      assert.include(error.message, "abc\nd")
    })
  }
})

describe("an error that is explained", () => {
  const failure = (body: object, status = 400) =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      return yield* run(Effect.flip(codex.turn({ prompt: "?" })))
    }).pipe(
      Effect.provide(
        TestCodex.layer(
          Script.routes({
            "/responses": [Script.status(status, { body })],
            "/models": Script.always(Script.status(404))
          })
        )
      )
    )

  it.effect("keeps status, code, words, ids and exchange: the window", () =>
    Effect.gen(function* () {
      const error = yield* failure({ error: { code: "context_length_exceeded", message: "Too long by far." } })
      assert.deepInclude(error, {
        _tag: "ContextWindowExceeded",
        status: 400,
        code: "context_length_exceeded",
        serverMessage: "Too long by far.",
        requestId: "req_1"
      })
      assert.property(error, "contextWindow")
      assert.isDefined(error.exchange)
    })
  )

  it.effect("keeps status, code, words, ids and exchange: the model", () =>
    Effect.gen(function* () {
      const error = yield* failure({ error: { code: "model_not_found", message: "No such model." } }, 404)
      assert.deepInclude(error, {
        _tag: "ModelUnavailable",
        model: "gpt-5.5",
        status: 404,
        code: "model_not_found",
        serverMessage: "No such model.",
        requestId: "req_1"
      })
      assert.isDefined(error.exchange)
    })
  )

  it.effect("is explained within the time the call has left", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const failing = Effect.flip(codex.turn({ prompt: "?", timeLimit: "1 second" }))
      const [error, time] = yield* run(Effect.zip(failing, Clock.currentTimeMillis))
      assert.strictEqual(error._tag, "ModelUnavailable")
      assert.strictEqual(time, 1000)
      const sent = yield* requests
      assert.isAtMost(sent.length, 2)
    }).pipe(
      Effect.provide(
        TestCodex.layer(
          Script.routes({
            "/responses": [Script.status(404, { body: { error: { code: "model_not_found" } } })],
            "/models": Script.always(Script.silence)
          })
        )
      )
    )
  )
})

describe("every error", () => {
  it.effect("is a Failure with its facts", () =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const error = yield* run(Effect.flip(codex.turn({ prompt: "?" })))
      assert.isTrue(Failure.isFailure(error))
      assert.strictEqual(error.retryAfter, undefined)
      assert.strictEqual(error.status, 403)
    }).pipe(Effect.provide(TestCodex.layer([Script.status(403)])))
  )
})

describe("the group of an error", () => {
  const groupOf = (script: Script.Step) =>
    Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const error = yield* run(Effect.flip(codex.turn({ prompt: "?" })))
      return [error._tag, error.group] as const
    }).pipe(Effect.provide(TestCodex.layer(Script.always(script))))

  for (const [expected, step] of [
    [["InvalidRequest", "request"], Script.status(400)],
    [["UsageLimit", "account"], Script.usageLimit()],
    [["AccessDenied", "account"], Script.status(403)],
    [["ServerOverloaded", "later"], Script.status(503)],
    [["StreamTruncated", "later"], Script.turn({ text: "Half" }).pipe(Script.truncateAfterEvents(3))],
    [["ConnectionFailed", "later"], Script.refuse]
  ] as const) {
    it.effect(`${expected[0]} is a matter of ${expected[1]}`, () =>
      Effect.map(groupOf(step), (group) => assert.deepStrictEqual(group, expected))
    )
  }

  it("of a login is the account", () => {
    assert.strictEqual(expired.group, "account")
  })
})

/** What a field of an error may be, where it is one of several texts. */
const literals = (ast: SchemaAST.AST | SchemaAST.PropertySignature): ReadonlyArray<string> =>
  "type" in ast
    ? literals(ast.type)
    : "types" in ast
      ? ast.types.flatMap((type) => literals(type as SchemaAST.AST))
      : "literal" in ast
        ? [String(ast.literal)]
        : []

describe("docs/errors.md", () => {
  const document = readFileSync(new URL("../../../docs/errors.md", import.meta.url), "utf8")
  /** The row of a tag, with the rows below it that name none. */
  const rowsOf = (tag: string) => new RegExp(`^\\| \`${tag}\` .*(?:\\n\\| {3,}\\|.*)*`, "m").exec(document)?.[0] ?? ""

  /** The errors that are no members of `CodexError`. */
  const others = [
    JsonSchema.UnsupportedSchema,
    OutputFormat.InvalidOutput,
    Tool.InvalidToolArguments,
    ToolError.UnknownTool,
    ToolError.CallRejected,
    ToolError.HandlerFailed,
    ToolError.LoopLimitReached,
    Snapshot.InvalidSnapshot,
    Snapshot.StoreFailed
  ]

  for (const member of [...CodexError.CodexError.members, ...others]) {
    const fields: Readonly<Record<string, unknown>> = member.fields
    const valuesOf = (name: string) =>
      Schema.isSchema(fields[name]) || Schema.isPropertySignature(fields[name])
        ? literals(fields[name].ast as SchemaAST.AST | SchemaAST.PropertySignature)
        : []
    const [tag = ""] = valuesOf("_tag")
    it(`has ${tag} with its reasons`, () => {
      const rows = rowsOf(tag)
      assert.isNotEmpty(rows)
      const missing = valuesOf("reason").filter((one) => !rows.includes(`\`${one}\``) && !rows.includes(`"${one}"`))
      assert.deepStrictEqual(missing, [])
    })
  }
})
