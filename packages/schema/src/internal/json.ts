/**
 * Whether a value the caller made can be written as JSON.
 */

/** The place of the first value JSON cannot hold (`""` is the value itself) and what it is; `undefined` if all is well. */
export const notJson = (value: unknown): { readonly path: string; readonly what: string } | undefined => {
  const open = new Set<unknown>()
  const visit = (value: unknown, path: string): { readonly path: string; readonly what: string } | undefined => {
    switch (typeof value) {
      case "bigint":
      case "function":
      case "symbol":
        return { path, what: `a ${typeof value}` }
      case "number":
        return Number.isFinite(value) ? undefined : { path, what: String(value) }
      case "object": {
        if (value === null) return undefined
        if (open.has(value)) return { path, what: "a reference to itself" }
        if (open.size >= maxDepth) return { path, what: "nested too deeply" }
        open.add(value)
        for (const [key, inner] of Object.entries(value)) {
          const found = visit(inner, path === "" ? key : `${path}.${key}`)
          if (found !== undefined) return found
        }
        open.delete(value)
        return undefined
      }
      default:
        return undefined
    }
  }
  return visit(value, "")
}

/** Deeper than any JSON a server takes, and well within the stack. */
const maxDepth = 500
