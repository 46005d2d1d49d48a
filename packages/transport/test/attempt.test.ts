import * as ResponsesRequest from "@effect-codex/schema/ResponsesRequest"
import * as Script from "@effect-codex/testing/Script"
import * as ScriptedBackend from "@effect-codex/testing/ScriptedBackend"
import * as TestAuth from "@effect-codex/testing/TestAuth"
import { CodexConfig, CodexTransport } from "@effect-codex/transport"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

const layer = (script: Script.Script, options?: CodexConfig.Options) =>
  CodexTransport.layer.pipe(
    Layer.provideMerge(ScriptedBackend.layer(script)),
    Layer.provide([CodexConfig.layer(options), TestAuth.layer()])
  )

const request = ResponsesRequest.make({ model: "gpt-5.5", input: [] })

describe("attempt", () => {
  it.scoped("hands out the body of a 200 as it came", () =>
    Effect.gen(function* () {
      const transport = yield* CodexTransport.CodexTransport
      const response = yield* transport.attempt(request)
      const text = yield* response.body.pipe(Stream.decodeText(), Stream.mkString)
      assert.include(text, "response.completed")
      assert.strictEqual(response.metadata.requestId, "req_1")
    }).pipe(Effect.provide(layer([Script.turn({ text: "Hello" })])))
  )
})
