import * as Redacted from "effect/Redacted"

/** The text of a secret; `undefined` for what only a caller without types can hand in, such as a text that is not wrapped. */
export const textOf = (secret: Redacted.Redacted): string | undefined => {
  const text: unknown = Redacted.isRedacted(secret) ? Redacted.value(secret) : undefined
  return typeof text === "string" ? text : undefined
}

/** The token in what people paste: without blanks, quotes and the word `Bearer` around it. */
export const tokenIn = (text: string): string => {
  const rest = text
    .trim()
    .replace(/^(["'`])([\s\S]*)\1$/, "$2")
    .replace(/^(?:authorization\s*:\s*)?bearer\s+/i, "")
  return rest === text ? rest : tokenIn(rest)
}
