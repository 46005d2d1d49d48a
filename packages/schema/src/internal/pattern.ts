/**
 * The regular expressions of a schema. The server compiles every `pattern` with an engine other than JavaScript's, and
 * refuses the whole request if one does not compile (protocol N.9).
 *
 * @internal
 */
import * as Either from "effect/Either"

/** An escape, a complete character class, or the start of a group. */
const token =
  /\\(?:u\{[^}]*\}|u[\dA-Fa-f]{4}|x[\dA-Fa-f]{2}|.)|\[\^?(?:\\.|[^\]\\])*\]|\((?:\?(?:<?[=!]|<[^>]*>|[a-z-]*:))?/gs

const escape = /\\(?:u\{[^}]*\}|u[\dA-Fa-f]{4}|x[\dA-Fa-f]{2}|.)/gs

/** Escaped letters that have the same meaning in every engine. */
const letters = "dDsSwWbBfnrtv0"

const unportable = (piece: string, inClass: boolean): string | undefined => {
  const letter = piece.charAt(1)
  if (/[1-9k]/.test(letter)) return "a backreference"
  if (/[pP]/.test(letter)) return "a Unicode property"
  const known = letters.includes(letter) || /^\\(?:u[^{]|x.)/.test(piece) || !/[A-Za-z]/.test(letter)
  return known && !(inClass && letter === "B") ? undefined : `the escape ${piece}`
}

/** JavaScript treats a dash next to a class such as `\w` as literal; other engines reject it. */
const withoutOddRanges = (piece: string): string =>
  piece.replace(/(\\[dDsSwW])-(?!\])/g, "$1\\-").replace(/(?<![\\[^])-(?=\\[dDsSwW])/g, "\\-")

/**
 * Converts the pattern to the syntax all engines share (removes group names and the backslash of escaped slashes), or
 * returns the parts that are not portable.
 */
export const portable = (pattern: string): Either.Either<string, string> => {
  const problems: Array<string> = []
  const fail = (problem: string, piece: string) => {
    problems.push(problem)
    return piece
  }
  const unescape = (inClass: boolean) => (piece: string) => {
    const problem = unportable(piece, inClass)
    return problem === undefined ? (piece === "\\/" ? "/" : piece) : fail(problem, piece)
  }
  const shared = pattern.replace(token, (piece) => {
    if (piece.startsWith("\\")) return unescape(false)(piece)
    if (piece.startsWith("[")) {
      return /^\[\^?\]$/.test(piece)
        ? fail("an empty class", piece)
        : withoutOddRanges(piece.replace(escape, unescape(true)))
    }
    if (/^\(\?<?[=!]/.test(piece)) return fail("lookaround", piece)
    if (piece.startsWith("(?<")) return "("
    const flags = /^\(\?([a-z-]+):/.exec(piece)?.[1]
    return flags === undefined ? piece : fail(`the flag ${flags}`, piece)
  })
  const [problem] = problems
  if (problem !== undefined) return Either.left(problem)
  try {
    new RegExp(shared)
    return Either.right(shared)
  } catch {
    return Either.left("a syntax that is not JavaScript's")
  }
}
