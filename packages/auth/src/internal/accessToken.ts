/** The token in what people paste: without blanks, quotes and the word `Bearer` around it. */
export const tokenIn = (text: string): string => {
  const rest = text
    .trim()
    .replace(/^(["'`])([\s\S]*)\1$/, "$2")
    .replace(/^(?:authorization\s*:\s*)?bearer\s+/i, "")
  return rest === text ? rest : tokenIn(rest)
}
