/** Sends an image: as bytes, as base64, or by URL. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Message } from "@effect-codex/schema"
import { Script } from "@effect-codex/testing"
import { Console, Effect } from "effect"
import { Codex } from "effect-codex"
import { backend } from "./backend.ts"

/** One red pixel, as PNG in base64. `Message.imageData` also accepts a `Uint8Array`. */
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="

const program = Effect.gen(function* () {
  const codex = yield* Codex.Codex
  const image = yield* Message.imageData(pixel, "image/png")
  const turn = yield* codex.turn({ input: [Message.user([Message.text("What colour is this?"), image])] })
  yield* Console.log(turn.text)
  // an unsupported image fails here, before it is sent
  yield* Message.image("cat.png").pipe(Effect.catchTag("InvalidContent", (error) => Console.log(error.message)))
})

program.pipe(Effect.provide(backend(Script.turn({ text: "Red." }))), NodeRuntime.runMain)
