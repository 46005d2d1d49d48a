/**
 * The names a call or a tool may have on the wire (protocol C.6, N.9).
 */
import { fingerprint } from "./fingerprint.ts"

const maxLength = 64

export const isLegal = (name: string): boolean => /^[a-zA-Z0-9_-]{1,64}$/.test(name)

/**
 * The nearest legal name. It depends on the name alone, so that a replayed call has the same name in every request; and
 * it ends in a fingerprint of the name, so that `a.b` and `a b` stay apart from each other and from a tool `a_b`.
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
 * Names that are free: the name itself, else numbered from 2 on. A name goes on where it stopped the last time, as looking
 * from 2 on again takes quadratic time where all names are the same.
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
