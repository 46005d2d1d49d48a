/**
 * The models of the backend (protocol A.3, G).
 */
import type { Account } from "../../StrictBackend.ts"
import { asArray, type Json } from "../json.ts"

/** The three numbers of a version, or `undefined`. */
const versionOf = (value: unknown): ReadonlyArray<number> | undefined => {
  const parts = Array.isArray(value) ? value.map(String) : String(value).split(".")
  const numbers = parts.map(Number)
  return numbers.length === 3 && numbers.every((n) => Number.isInteger(n) && n >= 0) ? numbers : undefined
}

const isOlder = (version: ReadonlyArray<number>, than: ReadonlyArray<number>): boolean => {
  for (let i = 0; i < 3; i++) {
    const difference = (version[i] ?? 0) - (than[i] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}

/** Whether the account's plan has the model. */
export const isAvailable =
  (account: Account) =>
  (model: Json): boolean => {
    const plans = asArray(model["available_in_plans"])
    const listed = account.models === undefined || account.models.includes(String(model["slug"]))
    return listed && (plans === undefined || plans.includes(account.planType ?? "plus"))
  }

/** The models for a client of this version. With an invalid version, only models that need no version. */
export const visible = (models: ReadonlyArray<Json>, account: Account, clientVersion: string): ReadonlyArray<Json> => {
  const version = versionOf(clientVersion)
  return models.filter(isAvailable(account)).filter((model) => {
    const minimal = versionOf(model["minimal_client_version"])
    return minimal === undefined || (version !== undefined && !isOlder(version, minimal))
  })
}
