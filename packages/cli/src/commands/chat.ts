import * as Os from "node:os"
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as NodeKeyValueStore from "@effect/platform-node/NodeKeyValueStore"
import * as Config from "effect/Config"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Conversation } from "effect-codex"
import * as Arguments from "../Arguments.ts"
import * as Backend from "../Backend.ts"
import * as CtrlC from "../CtrlC.ts"
import * as ExitCode from "../ExitCode.ts"
import * as Screen from "../Screen.ts"
import { lines } from "../Stdin.ts"
import { root } from "./root.ts"

/** The directory of the chats: `$XDG_DATA_HOME/effect-codex/chats`, by default below `~/.local/share`. */
const folder = Effect.gen(function* () {
  const { join } = yield* Path.Path
  const data = yield* Config.option(Config.nonEmptyString("XDG_DATA_HOME"))
  return join(
    Option.getOrElse(data, () => join(Os.homedir(), ".local", "share")),
    "effect-codex",
    "chats"
  )
})

class ChatsUnusable extends Data.TaggedError("ChatsUnusable")<{ readonly path: string; readonly cause: unknown }> {
  override get message() {
    return `Chats cannot be saved in ${this.path}. Set XDG_DATA_HOME to a writable folder.`
  }
}

const isThere = (error: PlatformError.PlatformError) => error._tag === "SystemError" && error.reason === "AlreadyExists"

/**
 * Creates folders for their owner alone, one by one: Node's recursive `mkdir` never returns where the system reports an
 * unexpected error, as below `/proc`.
 */
const makeFolder = (
  path: string
): Effect.Effect<void, PlatformError.PlatformError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    if (yield* fs.exists(path)) return
    const parent = (yield* Path.Path).dirname(path)
    if (parent !== path) yield* makeFolder(parent)
    // another chat may create it at the same time
    yield* Effect.catchIf(fs.makeDirectory(path, { mode: 0o700 }), isThere, () => Effect.void)
  })

const store = Layer.unwrapEffect(
  Effect.map(folder, (path) =>
    Layer.unwrapEffect(Effect.as(makeFolder(path), NodeKeyValueStore.layerFileSystem(path))).pipe(
      Layer.catchAll((cause) => Layer.fail(new ChatsUnusable({ path, cause })))
    )
  )
)

const list = Effect.gen(function* () {
  const { readDirectory } = yield* FileSystem.FileSystem
  const files = yield* Effect.orElseSucceed(readDirectory(yield* folder), () => [])
  const names = new Set(files.map((file) => decodeURIComponent(file).replace(/\.[01]$/, "")))
  yield* Screen.line(names.size === 0 ? "There are no chats yet." : [...names].sort().join("\n"))
})

const talk = (name: string) =>
  Effect.gen(function* () {
    const { cancellable } = yield* CtrlC.CtrlC
    const conversation = yield* Conversation.persisted(name)
    const { length } = yield* conversation.history
    yield* Screen.note(length === 0 ? `The new chat ${name}.` : `The chat ${name}, ${length} entries so far.`)
    yield* Screen.prompt
    yield* Stream.runForEach(lines, (line) => {
      const text = line.trim()
      if (text === "") return Screen.prompt
      return cancellable(Screen.show(conversation.run(text)), Screen.note("[cancelled]")).pipe(
        // a user can try again, but a script must get the error
        Effect.catchAll((error) =>
          Screen.isInteractive ? Screen.note(`[${ExitCode.sentence(error)}]`) : Effect.fail(error)
        ),
        Effect.zipRight(Screen.prompt)
      )
    })
  })

export const chat = Command.make(
  "chat",
  {
    name: Args.text({ name: "name" }).pipe(Args.withDefault("default"), Args.withDescription("The name of the chat.")),
    list: Options.boolean("list").pipe(Options.withDescription("List the saved chats."))
  },
  ({ list: isList, name }) =>
    Effect.gen(function* () {
      const { mock } = yield* root
      yield* Arguments.checkWords([name], { command: "chat", known: ["--list"] })
      if (isList) return yield* list
      yield* talk(name).pipe(Effect.provide(Layer.merge(Backend.codex(mock), store)))
    })
).pipe(
  Command.withDescription(
    "Chat, one line at a time. A chat is saved under its name. Ctrl-C cancels the turn, a second Ctrl-C ends the chat."
  )
)
