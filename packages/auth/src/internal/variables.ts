import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"

/** The environment variable of the access token. */
export const accessTokenVariable = "OPENAI_CODEX_ACCESS_TOKEN"

/** An empty or blank variable counts as missing. */
export const nonBlank = (name: string): Config.Config<string> =>
  Config.mapOrFail(Config.string(name), (text) =>
    text.trim() === "" ? Either.left(ConfigError.MissingData([name], "It is blank.")) : Either.right(text)
  )
