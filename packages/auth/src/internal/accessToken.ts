import * as Redacted from "effect/Redacted"

/** The text of a secret. `undefined` for invalid values of untyped callers, such as a plain string. */
export const textOf = (secret: Redacted.Redacted): string | undefined => {
  const text: unknown = Redacted.isRedacted(secret) ? Redacted.value(secret) : undefined
  return typeof text === "string" ? text : undefined
}

/** Removes surrounding whitespace, quotes and the word `Bearer` from a pasted token. */
export const tokenIn = (text: string): string => {
  const rest = text
    .trim()
    .replace(/^(["'`])([\s\S]*)\1$/, "$2")
    .replace(/^(?:authorization\s*:\s*)?bearer\s+/i, "")
  return rest === text ? rest : tokenIn(rest)
}
