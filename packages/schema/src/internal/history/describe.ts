/**
 * Describes each repair as a sentence about its item.
 */
import type { HistoryRepair as Repair } from "../../Repair.ts"
import { maxIdLength, prefixes } from "./ids.ts"

/**
 * The problem, as the predicate of a sentence whose subject is the item; `undefined` for a consequence of another
 * repair.
 */
export const describe = (repair: Repair, type: string): string | undefined => {
  switch (repair._tag) {
    case "SystemMessageMoved":
      return 'has the role "system"; use "developer"'
    case "EmptyMessageDropped":
      return "is empty"
    case "EntryDropped":
      return repair.problem
    case "DuplicateDropped":
      return "is the same as an earlier item"
    case "FieldRepaired":
      return `has a field "${repair.field}" that ${repair.problem}`
    case "TextMadeWellFormed":
      return "has a text with unpaired surrogates"
    case "PartRewritten":
      return `has a part ${repair.part} in a form that the backend does not accept`
    case "ContentReplaced":
      return `has a part ${repair.part} that cannot be sent. ${repair.problem.replace(/\.$/, "")}`
    case "TextCut":
      return `has a text that is ${repair.leftOut} characters too long`
    case "IdRemoved":
      return idProblem(repair.reason, repair.id, type)
    case "CallIdRewritten":
      return /^[!-~]+$/.test(repair.from) && repair.from.length <= maxIdLength
        ? `has the call id of an earlier call, "${repair.from}"`
        : `has a call id of ${repair.from.length} characters; 1 to ${maxIdLength} visible ASCII characters are allowed`
    case "NameRewritten":
      return `has the name ${JSON.stringify(repair.from.slice(0, maxIdLength + 1))}; use 1 to 64 of the characters a-z, A-Z, 0-9, _ and -`
    case "ArgumentsReplaced":
      return `has arguments of ${repair.length} characters, which is too long`
    case "OutputAdded":
      return `has no output: add one for "${repair.callId}"`
    case "OutputDropped":
      return repair.reason === "no_call"
        ? `answers no call: no call before it has the id "${repair.callId}"`
        : `answers the call "${repair.callId}" a second time`
    case "OutputTypeChanged":
      return `answers a call of another type, "${repair.callId}"`
    case "ReasoningDropped":
    case "CompactionDropped":
      return encryptedProblem(repair.reason)
    case "CompactionTriggerDropped":
      return "is not the last item"
  }
}

const idProblem = (
  reason: Extract<Repair, { readonly _tag: "IdRemoved" }>["reason"],
  id: string,
  type: string
): string | undefined => {
  switch (reason) {
    case "too_long":
      return `has an id of ${id.length} characters; ${maxIdLength} are allowed`
    case "wrong_prefix":
      return `has an id that does not begin with "${prefixes.get(type) ?? ""}"`
    case "illegal_characters":
      return "has an id with other characters than letters, digits, _ and -"
    case "taken":
      return "has the id of an earlier item"
    case "reasoning_dropped":
      return undefined
  }
}

const encryptedProblem = (reason: Extract<Repair, { readonly _tag: "ReasoningDropped" }>["reason"]): string => {
  switch (reason) {
    case "not_encrypted":
      return "has no encrypted content"
    case "too_long":
      return "has encrypted content that is too long"
    case "no_output_follows":
      return "is not followed by the output it led to"
    case "other_account":
      return "has encrypted content of another account"
    case "asked":
      return "was removed at the caller's request"
  }
}
