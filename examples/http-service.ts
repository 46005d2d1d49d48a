/**
 * A service that streams answers to browsers as server-sent events. A disconnected browser aborts its turn. The program
 * is `app`. Its test replaces the Layers (`test/http-service.test.ts`).
 */
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Script } from "@effect-codex/testing"
import { Effect, Layer, Schema } from "effect"
import { ClientEvent, Codex } from "effect-codex"
import { backend } from "./backend.ts"

const Question = Schema.Struct({ prompt: Schema.NonEmptyString })

const ask = Effect.gen(function* () {
  const { prompt } = yield* HttpServerRequest.schemaBodyJson(Question)
  const codex = yield* Codex.Codex
  return HttpServerResponse.stream(ClientEvent.toBody(codex.stream({ prompt })), {
    contentType: "text/event-stream",
    headers: { "cache-control": "no-store" }
  })
}).pipe(Effect.catchTag("ParseError", () => HttpServerResponse.empty({ status: 400 })))

const page = `<!doctype html>
<form><input name="prompt" value="Say hello."><button>Ask</button></form>
<pre></pre>
<script type="module">
  const output = document.querySelector("pre")
  document.querySelector("form").onsubmit = async (submitted) => {
    submitted.preventDefault()
    output.textContent = ""
    const prompt = new FormData(submitted.target).get("prompt")
    const response = await fetch("/ask", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ prompt })
    })
    let rest = ""
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      const frames = (rest + text).split("\\n\\n")
      rest = frames.pop()
      for (const frame of frames) {
        const event = JSON.parse(frame.slice(frame.indexOf("\\ndata: ") + 7))
        if (event._tag === "Text") output.textContent += event.delta
        if (event._tag === "Restarted") output.textContent = ""
        if (event._tag === "Failed") output.textContent += "\\n" + event.reason
      }
    }
  }
</script>
`

export const app = HttpRouter.empty.pipe(
  HttpRouter.get("/", HttpServerResponse.html(page)),
  HttpRouter.post("/ask", ask),
  HttpServer.serve()
)

const Live = app.pipe(
  HttpServer.withLogAddress,
  Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 3000 })),
  Layer.provide(backend(...Array.from({ length: 100 }, () => Script.turn({ text: "Hello from the backend." }))))
)

if (process.argv[1] === fileURLToPath(import.meta.url)) NodeRuntime.runMain(Layer.launch(Live))
