/** One change at a time: every key of an event, at any depth, left out or given a value of another type. */

type Path = ReadonlyArray<string | number>

const others: ReadonlyArray<unknown> = [null, true, -1.5, "x", [], {}]

const typeOf = (value: unknown): string => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value)

const paths = (value: unknown, at: Path = []): ReadonlyArray<Path> =>
  typeof value === "object" && value !== null
    ? Object.entries(value).flatMap(([key, inner]) => {
        const path = [...at, Array.isArray(value) ? Number(key) : key]
        return [path, ...paths(inner, path)]
      })
    : []

const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((inner, key) => (inner as Record<string, unknown>)[key], value)

const change = (value: unknown, [key, ...rest]: Path, to: { readonly value: unknown } | undefined): unknown => {
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) }
  const record = copy as Record<string, unknown>
  const name = key as string
  if (rest.length > 0) record[name] = change(record[name], rest, to)
  else if (to !== undefined) record[name] = to.value
  else if (Array.isArray(copy)) copy.splice(Number(key), 1)
  else delete record[name]
  return copy
}

export interface Mutant {
  readonly name: string
  readonly event: Record<string, unknown>
}

export const mutants = (event: Record<string, unknown>): ReadonlyArray<Mutant> =>
  paths(event).flatMap((path) => {
    const type = typeOf(valueAt(event, path))
    return [undefined, ...others.filter((other) => typeOf(other) !== type).map((value) => ({ value }))].map((to) => ({
      name: `${String(event["type"])}: ${path.join(".")} ${to === undefined ? "left out" : `is ${JSON.stringify(to.value)}`}`,
      event: change(event, path, to) as Record<string, unknown>
    }))
  })
