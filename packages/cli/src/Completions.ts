/** Fixes errors in the shell completions of `@effect/cli`. */

/** Options of `@effect/cli` that this program does not have. */
const others = /log-level|wizard/

export const mended = (printed: string): string => {
  if (printed.startsWith("function _effect-codex_bash_completions")) {
    // the generated script writes a hyphenated name in two ways, with `-` and with `__`, so that no command would be
    // completed
    return printed
      .replace('cmd="effect-codex"', 'cmd="effect__codex"')
      .replace("\n        effect-codex)", "\n        effect__codex)")
      .replaceAll(/ --(?:log-level|wizard)\b/g, "")
  }
  if (!/^(?:#compdef|complete) /.test(printed)) return printed
  return printed
    .split("\n")
    .filter((line) => !others.test(line))
    .join("\n")
}
