/**
 * Converts the JSON Schemas of tools to the nearest form the server accepts: one bad schema would fail the whole
 * request.
 */
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as JsonSchema from "../JsonSchema.ts"
import { asWritten, notJson } from "./json.ts"

/**
 * A tool in the nearest form the server accepts. `changes` lists each tool whose schema was changed (a namespace holds
 * several), `refused` each tool without such a form. `tool` is absent if nothing is left of it.
 */
export interface Normalized<out A> {
  readonly tool?: A
  readonly changes: ReadonlyArray<{ readonly name: string; readonly changes: ReadonlyArray<string> }>
  readonly refused: ReadonlyArray<JsonSchema.UnsupportedSchema>
}

/** A tool the server accepts is returned unchanged. From a namespace, only the refused tools are removed. */
export const normalize = <A>(given: A): Normalized<A> => {
  const tool = asWritten(given) as A
  if (!Predicate.isRecord(tool)) return { tool, changes: [], refused: [] }
  if (tool["type"] === "namespace" && Array.isArray(tool["tools"])) {
    const all = tool["tools"].map((inner: unknown) => normalize(inner))
    const tools = all.flatMap((inner) => ("tool" in inner ? [inner.tool] : []))
    const changes = all.flatMap((inner) => inner.changes)
    const refused = all.flatMap((inner) => inner.refused)
    if (changes.length === 0 && refused.length === 0) return { tool, changes, refused }
    return { ...(tools.length > 0 && { tool: { ...tool, tools } }), changes, refused }
  }
  const parameters = tool["parameters"]
  if (
    (tool["type"] !== "function" && tool["type"] !== "tool_search") ||
    parameters === undefined ||
    parameters === null
  ) {
    return { tool, changes: [], refused: [] }
  }
  // a value JSON cannot represent comes from the program, not from a server; `TurnRequest.compile` reports it
  const unwritable = notJson(parameters)
  if (unwritable !== undefined && unwritable.what !== "nested too deeply") return { tool, changes: [], refused: [] }
  const name = String(tool["name"] ?? tool["type"])
  return Either.match(JsonSchema.normalize(name, parameters, { strict: tool["strict"] === true }), {
    onLeft: (refusal) => ({ changes: [], refused: [refusal] }),
    onRight: ({ changes, jsonSchema, strict }) =>
      jsonSchema === parameters && changes.length === 0
        ? { tool, changes: [], refused: [] }
        : {
            tool: { ...tool, ...(tool["strict"] === true && { strict }), parameters: jsonSchema },
            changes: changes.length === 0 ? [] : [{ name, changes }],
            refused: []
          }
  })
}
