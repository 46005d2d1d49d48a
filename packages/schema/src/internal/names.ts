/**
 * Legal names of calls and tools (protocol C.6, N.9).
 */
import { fingerprint } from "./fingerprint.ts"

const maxLength = 64

export const isLegal = (name: string): boolean => /^[a-zA-Z0-9_-]{1,64}$/.test(name)

/**
 * The nearest legal name. It depends only on the name, so a replayed call has the same name in every request. It ends
 * in a fingerprint of the name, so `a.b`, `a b` and a tool `a_b` stay distinct.
 */
export const legalName = (name: string): string => {
  if (isLegal(name)) return name
  const suffix = `_${fingerprint(name)}`
  const base = name
    .normalize("NFKD")
    .replace(/\p{M}+/gu, "")
    .trim()
    .replace(/[^a-zA-Z0-9_-]+/g, "_")
  return `${(base === "" ? "unnamed" : base).slice(0, maxLength - suffix.length)}${suffix}`
}

/**
 * Makes unique names: the name itself, else numbered from 2. Numbering continues from the last number of each name,
 * because restarting at 2 takes quadratic time if all names are equal.
 */
export const numbered = (isTaken: (name: string) => boolean): ((name: string) => string) => {
  const numbers = new Map<string, number>()
  return (name) => {
    let number = numbers.get(name) ?? 1
    let free = number === 1 ? name : `${name}_${number}`
    while (isTaken(free)) free = `${name}_${++number}`
    numbers.set(name, number)
    return free
  }
}
