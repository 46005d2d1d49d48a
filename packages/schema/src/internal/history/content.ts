/**
 * Repairs content parts so that the backend accepts them: types allowed for the role, readable images, and texts within
 * the limits.
 */
import * as Predicate from "effect/Predicate"
import type * as Item from "../../Item.ts"
import * as Media from "../media.ts"
import * as Truncation from "../truncation.ts"
import type { Placed, Report } from "./placed.ts"

/** The maximum length of the text of one part or output (protocol N.9). */
export const maxTextLength = 10_485_760

export const readable = (items: ReadonlyArray<Placed>, report: Report): ReadonlyArray<Placed> =>
  items.map((placed) => {
    const { index, item } = placed
    switch (item.type) {
      case "message": {
        const content = fitParts(item.content, item.role === "assistant", index, report)
        return content === item.content ? placed : { index, item: { ...item, content } }
      }
      case "function_call_output":
      case "custom_tool_call_output": {
        if (typeof item.output === "string") return placed
        if (item.output.length === 0) {
          report.push({ _tag: "FieldRepaired", index, field: "output", problem: "is an empty list" })
          return { index, item: { ...item, output: "" } }
        }
        const output = fitParts(item.output, false, index, report)
        return output === item.output ? placed : { index, item: { ...item, output } }
      }
      default:
        return placed
    }
  })

const fitParts = (
  parts: ReadonlyArray<Item.ContentPart>,
  ofAssistant: boolean,
  index: number,
  report: Report
): ReadonlyArray<Item.ContentPart> => {
  let changed = false
  const fitted = parts.map((part, place) => {
    const fitted = fitPart(part, ofAssistant)
    if (fitted.part === part) return part
    changed = true
    report.push(
      "problem" in fitted
        ? { _tag: "ContentReplaced", index, part: place, problem: fitted.problem }
        : "leftOut" in fitted
          ? { _tag: "TextCut", index, leftOut: fitted.leftOut, reason: "too_long" }
          : { _tag: "PartRewritten", index, part: place }
    )
    return fitted.part
  })
  return changed ? fitted : parts
}

type Fitted =
  | { readonly part: Item.ContentPart }
  | { readonly part: Item.ContentPart; readonly problem: string }
  | { readonly part: Item.ContentPart; readonly leftOut: number }

const fitPart = (part: Item.ContentPart, ofAssistant: boolean): Fitted => {
  switch (part.type) {
    case "input_text":
    case "output_text":
      if (part.text.length > maxTextLength) {
        const { leftOut, text } = cutText(part.text)
        return { part: textPart(text, ofAssistant), leftOut }
      }
      return (part.type === "output_text") === ofAssistant ? { part } : { part: textPart(part.text, ofAssistant) }
    case "refusal":
      if (part.refusal.length > maxTextLength) {
        const { leftOut, text } = cutText(part.refusal)
        return { part: ofAssistant ? { ...part, refusal: text } : textPart(text, false), leftOut }
      }
      return ofAssistant ? { part } : { part: textPart(part.refusal, false) }
    case "input_image": {
      const image = withKnownDetail(part)
      return fitMedia(image, "image", image.image_url, ofAssistant, (image_url) => ({ ...image, image_url }))
    }
    case "input_audio":
      return fitMedia(part, "sound", part.audio_url, ofAssistant, (audio_url) => ({ ...part, audio_url }))
    case "input_file": {
      if (part.file_data !== undefined) {
        return fitMedia(part, "document", part.file_data, ofAssistant, (file_data) => ({ ...part, file_data }))
      }
      if (part.file_url !== undefined) {
        return fitMedia(part, "document", part.file_url, ofAssistant, (file_url) => ({ ...part, file_url }))
      }
      return part.file_id !== undefined && !ofAssistant
        ? { part }
        : replacedByText("document", "it has neither data nor a URL", ofAssistant)
    }
    default:
      return fitForeign(part, ofAssistant)
  }
}

const details: ReadonlySet<string> = new Set(["auto", "low", "high", "original"])

/** The server refuses every other level of detail, and its own default is near enough. */
const withKnownDetail = (part: Item.InputImage): Item.InputImage => {
  if (part.detail === undefined || details.has(part.detail)) return part
  const { detail: _, ...rest } = part
  return rest
}

/** Whether the server could have such a type. */
export const isTypeName = (type: unknown): boolean => typeof type === "string" && /^[a-z]\w*$/i.test(type)

/** Converts texts and images in the format of other APIs. Other unknown types may be new ones of the server. */
const fitForeign = (part: Item.ContentPart, ofAssistant: boolean): Fitted => {
  const { image_url: image, text, type } = part as Readonly<Record<string, unknown>>
  if (typeof text === "string" && foreignTexts.has(type)) return fitPart(textPart(text, ofAssistant), ofAssistant)
  if (type === "image_url") {
    const url = Predicate.hasProperty(image, "url") ? image.url : image
    return fitPart({ type: "input_image", image_url: typeof url === "string" ? url : "" }, ofAssistant)
  }
  return isTypeName(type) ? { part } : replacedByText("part", "its type is no name", ofAssistant)
}

const foreignTexts: ReadonlySet<unknown> = new Set(["text", "summary_text", "reasoning_text"])

const fitMedia = (
  part: Item.ContentPart,
  kind: Media.Kind,
  given: string,
  ofAssistant: boolean,
  withUrl: (url: string) => Item.ContentPart
): Fitted => {
  if (ofAssistant) return replacedByText(kind, "an assistant message can contain only text", true)
  const media = Media.read(kind, given)
  if ("problem" in media) return replacedByText(kind, media.problem, false)
  return { part: media.url === given ? part : withUrl(media.url) }
}

/** Replaces the part with a text that tells the model the reason, so that the conversation can continue. */
const replacedByText = (kind: Media.Kind | "part", reason: string, ofAssistant: boolean): Fitted => {
  const problem = `The ${kind} cannot be sent: ${reason}.`
  return { part: textPart(`[${problem}]`, ofAssistant), problem }
}

const textPart = (text: string, ofAssistant: boolean): Item.ContentPart => ({
  type: ofAssistant ? "output_text" : "input_text",
  text
})

const cutText = (text: string): { readonly text: string; readonly leftOut: number } => {
  const cut = Truncation.cutMiddle([text], maxTextLength, Truncation.characters)
  return { text: cut?.texts[0] ?? text, leftOut: cut?.leftOut ?? 0 }
}
