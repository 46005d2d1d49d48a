/** The words of the command line, in the order that `@effect/cli` needs. */
import * as Data from "effect/Data"

/** A word that looks like an option, and is none. */
export class UnknownOption extends Data.TaggedError("UnknownOption")<{
  readonly option: string
  readonly command: string
}> {
  override get message() {
    return `There is no option ${this.option}; \`${this.command} --help\` lists them. Words behind \`--\` are never options.`
  }
}

const ofProgram: ReadonlySet<string> = new Set(["--mock", "--debug"])
const builtIn = /^(?:-h|--(?:help|version|completions)(?:=.*)?)$/

const split = (words: ReadonlyArray<string>) => {
  const at = words.indexOf("--")
  return at < 0 ? { options: words, plain: [] } : { options: words.slice(0, at), plain: words.slice(at + 1) }
}

/** The options of the program may stand anywhere; the parser wants them first. */
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

/** An option in the place of a command, which the parser would take for a command. */
export const unknownOption = (argv: ReadonlyArray<string>): UnknownOption | undefined => {
  const option = split(argv.slice(2)).options.find((word) => !ofProgram.has(word))
  return option?.startsWith("-") === true && !builtIn.test(option)
    ? new UnknownOption({ option, command: "effect-codex" })
    : undefined
}

/** The first word that looks like an option, where the parser took all it knows. */
export const optionAmong = (words: ReadonlyArray<string>, argv: ReadonlyArray<string>): string | undefined =>
  words.slice(0, words.length - split(argv).plain.length).find((word) => /^--?[a-z][\w-]*(=.*)?$/i.test(word))
