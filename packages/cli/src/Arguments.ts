/** Reorders and checks the command-line arguments for `@effect/cli`. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** An unknown option. */
export class UnknownOption extends Data.TaggedError("UnknownOption")<{
  readonly option: string
  readonly command: string
}> {
  override get message() {
    return `There is no option ${this.option}. \`${this.command} --help\` lists the options. Words after \`--\` are never options.`
  }
}

/** A known option that the parser left over. */
export class MisusedOption extends Data.TaggedError("MisusedOption")<{ readonly option: string }> {
  override get message() {
    return `The option ${this.option} has no value, or is given twice.`
  }
}

const ofProgram: ReadonlySet<string> = new Set(["--mock", "--debug"])
const builtIn = /^(?:-h|--(?:help|version|completions)(?:=.*)?)$/

const split = (words: ReadonlyArray<string>) => {
  const at = words.indexOf("--")
  return at < 0 ? { options: words, plain: [] } : { options: words.slice(0, at), plain: words.slice(at + 1) }
}

/** Moves the program's options to the front, where the parser expects them. */
export const arranged = (argv: ReadonlyArray<string>): ReadonlyArray<string> => {
  const words = argv.slice(2)
  const { options } = split(words)
  const isFirst = (word: string) => ofProgram.has(word)
  return [
    ...argv.slice(0, 2),
    ...options.filter(isFirst),
    ...options.filter((word) => !isFirst(word)),
    ...words.slice(options.length)
  ]
}

export const isDebug = (argv: ReadonlyArray<string>): boolean => split(argv).options.includes("--debug")

/** An unknown option before the command, which the parser would treat as a command. */
export const unknownOption = (argv: ReadonlyArray<string>): UnknownOption | undefined => {
  const option = split(argv.slice(2)).options.find((word) => !ofProgram.has(word))
  return option?.startsWith("-") === true && !builtIn.test(option)
    ? new UnknownOption({ option, command: "effect-codex" })
    : undefined
}

const looksLikeOption = /^--?[a-z][\w-]*(=.*)?$/i

/**
 * Fails if a word before `--` looks like an option: the parser treats the options that it cannot use as words.
 * `known` are the options of the command.
 */
export const checkWords = (
  words: ReadonlyArray<string>,
  { command, known }: { readonly command: string; readonly known: ReadonlyArray<string> }
): Effect.Effect<void, UnknownOption | MisusedOption> => {
  const option = words
    .slice(0, words.length - split(process.argv).plain.length)
    .find((word) => looksLikeOption.test(word))
  if (option === undefined) return Effect.void
  return known.includes(option)
    ? new MisusedOption({ option })
    : new UnknownOption({ option, command: `effect-codex ${command}` })
}
