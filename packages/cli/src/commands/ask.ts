import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Path from "@effect/platform/Path"
import { Message } from "@effect-codex/schema"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { ClientEvent, Codex, type CodexError, type ToolLoop } from "effect-codex"
import * as Arguments from "../Arguments.ts"
import * as Backend from "../Backend.ts"
import * as ExitCode from "../ExitCode.ts"
import * as Files from "../Files.ts"
import * as Screen from "../Screen.ts"
import { stdin } from "../Stdin.ts"
import { root } from "./root.ts"

class NothingToAsk extends Data.TaggedError("NothingToAsk") {
  override get message() {
    return 'There is no prompt. Write one, as in `effect-codex ask "Say hello"`, or pipe it in.'
  }
}

class InvalidSchemaFile extends Data.TaggedError("InvalidSchemaFile")<{ readonly file: string }> {
  override get message() {
    return `${this.file} is not a JSON Schema. It must be one JSON object.`
  }
}

class InvalidImage extends Data.TaggedError("InvalidImage")<{ readonly file: string; readonly cause: unknown }> {
  override get message() {
    return `${this.file} is not a supported image. Use PNG, JPEG, GIF or WebP.`
  }
}

const mediaTypes: Readonly<Record<string, string>> = {
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".jpeg": "image/jpeg",
  ".gif": "image/gif",
  ".webp": "image/webp"
}

const imageOf = (file: string) =>
  Effect.gen(function* () {
    const { extname } = yield* Path.Path
    const type = mediaTypes[extname(file).toLowerCase()] ?? "image/png"
    return yield* Effect.mapError(
      Message.imageData(yield* Files.read(file), type),
      (cause) => new InvalidImage({ file, cause })
    )
  })

const JsonObject = Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.Unknown }))

const outputOf = (file: string) =>
  Effect.gen(function* () {
    const schema = yield* Effect.mapError(
      Schema.decodeUnknown(JsonObject)(yield* Files.readText(file)),
      () => new InvalidSchemaFile({ file })
    )
    return { format: { type: "json_schema", name: "answer", schema, strict: false } } as const
  })

const file = Options.file
const options = {
  prompt: Args.text({ name: "prompt" }).pipe(Args.repeated, Args.withDescription("The words of the prompt.")),
  model: Options.text("model").pipe(
    Options.withAlias("m"),
    Options.optional,
    Options.withDescription("The model. By default the configured one.")
  ),
  effort: Options.text("effort").pipe(
    Options.optional,
    Options.withDescription("The reasoning effort: low, medium, high, …")
  ),
  image: file("image").pipe(Options.repeated, Options.withDescription("An image for the model. Can be repeated.")),
  instructions: file("instructions").pipe(Options.optional, Options.withDescription("A file with the instructions.")),
  schema: file("schema").pipe(Options.optional, Options.withDescription("A file with a JSON Schema for the answer.")),
  json: Options.boolean("json").pipe(Options.withDescription("Print one JSON event per line."))
}

const known = ["-m", "--model", "--effort", "--image", "--instructions", "--schema", "--json"]

const showEvent = (event: ClientEvent.ClientEvent) => Screen.line(JSON.stringify(event))

const showJson = (events: Stream.Stream<ToolLoop.LoopEvent<unknown>, CodexError.CodexError>) =>
  events.pipe(Stream.filterMap(ClientEvent.fromEvent), Stream.runForEach(showEvent))

export const ask = Command.make("ask", options, ({ effort, image, instructions, json, model, prompt, schema }) =>
  Effect.gen(function* () {
    const { debug, mock } = yield* root
    yield* Arguments.checkWords(prompt, { command: "ask", known })
    const text = [prompt.join(" "), yield* stdin].filter((part) => part.trim() !== "").join("\n\n")
    if (text === "" && image.length === 0) return yield* new NothingToAsk()
    const images = yield* Effect.forEach(image, imageOf)
    const request: Codex.Request = {
      input: [Message.user([...images, ...(text === "" ? [] : [Message.text(text)])])],
      ...(Option.isSome(model) && { model: model.value }),
      ...(Option.isSome(effort) && { reasoning: { effort: effort.value } }),
      ...(Option.isSome(instructions) && { instructions: yield* Files.readText(instructions.value) }),
      ...(Option.isSome(schema) && { output: yield* outputOf(schema.value) })
    }
    yield* Effect.gen(function* () {
      const codex = yield* Codex.Codex
      const events = debug ? Screen.timed(codex.stream(request)) : codex.stream(request)
      yield* json ? showJson(events) : Screen.show(events)
    }).pipe(Effect.provide(Backend.codex(mock)))
  }).pipe(Effect.tapError((error) => (json ? showEvent(ExitCode.event(error)) : Effect.void)))
).pipe(Command.withDescription("Send a prompt and stream the answer. Also reads standard input."))
