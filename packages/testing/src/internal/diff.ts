/**
 * A line-based diff of two values.
 */

/** The number of equal lines around a difference. */
const context = 3
/** Longer texts are not compared line by line, because the cost is quadratic. */
const limit = 1500

/** The longest common subsequence, as pairs of indexes. */
const common = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): ReadonlyArray<readonly [number, number]> => {
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1))
  const at = (i: number, j: number) => lengths[i]?.[j] ?? 0
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const row = lengths[i]
      if (row !== undefined) row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const pairs: Array<readonly [number, number]> = []
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) pairs.push([i++, j++])
    else if (at(i + 1, j) >= at(i, j + 1)) i++
    else j++
  }
  return pairs
}

const marked = (mark: string, lines: ReadonlyArray<string>) => lines.map((line) => `${mark} ${line}`)

/** Shortens long runs of equal lines. */
const shortened = (lines: ReadonlyArray<string>): ReadonlyArray<string> => {
  const near = new Set<number>()
  lines.forEach((line, n) => {
    if (!line.startsWith(" ")) for (let i = n - context; i <= n + context; i++) near.add(i)
  })
  return lines.flatMap((line, n) => (near.has(n) ? [line] : near.has(n - 1) || n === 0 ? ["  …"] : []))
}

/** All lines, marked with `-` if only in the first text, and with `+` if only in the second. */
export const compare = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): ReadonlyArray<string> => {
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start++
  let end = 0
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++
  const left = a.slice(start, a.length - end)
  const right = b.slice(start, b.length - end)
  const middle: Array<string> = []
  if (left.length > limit || right.length > limit) {
    middle.push(...marked("-", left.slice(0, limit)), ...marked("+", right.slice(0, limit)))
  } else {
    let i = 0
    let j = 0
    for (const [nextI, nextJ] of [...common(left, right), [left.length, right.length] as const]) {
      middle.push(...marked("-", left.slice(i, nextI)), ...marked("+", right.slice(j, nextJ)))
      if (nextI < left.length) middle.push(...marked(" ", left.slice(nextI, nextI + 1)))
      i = nextI + 1
      j = nextJ + 1
    }
  }
  return [...marked(" ", a.slice(0, start)), ...middle, ...marked(" ", a.slice(a.length - end))]
}

/** Lines with `-` are missing, lines with `+` are unexpected. */
export const lines = (expected: string, actual: string): string =>
  shortened(compare(expected.split("\n"), actual.split("\n"))).join("\n")

/** Prints a value for comparison. Keys keep their order. */
export const print = (value: unknown): string =>
  value === undefined
    ? "(nothing)"
    : JSON.stringify(value, (_, inner: unknown) => (inner instanceof RegExp ? String(inner) : inner), 2)
