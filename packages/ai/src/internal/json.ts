/**
 * The JSON text of a value of the program, or `otherwise` if it has none: it can be cyclic, hold a bigint, be nested too
 * deeply, or throw when it is read. Like `JSON.stringify`, `undefined` for `undefined`.
 */
export const jsonOf = (value: unknown, otherwise: string): string | undefined => {
  try {
    return JSON.stringify(value)
  } catch {
    return otherwise
  }
}
