/**
 * Validates the URLs of images, documents and audio. One unreadable image makes the backend refuse the request, and all
 * later ones that replay it.
 */

export type Kind = "image" | "document" | "sound"

/** The URL to send, or a problem: the end of a sentence that starts with the part's name. */
export type Media = { readonly url: string } | { readonly problem: string }

/** The maximum URL length of each kind, including `data:` URLs (limits of the public Responses API). */
const maxLength = { image: 20_971_520, document: 73_400_320, sound: 73_400_320 }

const imageTypes = ["image/png", "image/jpeg", "image/gif", "image/webp"]

const readable = `the backend reads ${imageTypes.join(", ")}`

const example = { image: "data:image/png;base64,…", document: "data:application/pdf;base64,…", sound: "data:audio/…" }

/**
 * Normalizes a URL: corrects base64 with line breaks, base64url, missing padding, surrounding whitespace and media type
 * parameters. Problems never quote the URL, which may be private and large.
 */
export const read = (kind: Kind, given: string): Media => {
  const url = given.trim()
  if (url.length > maxLength[kind]) {
    return { problem: `its URL has ${url.length} characters; at most ${maxLength[kind]} are allowed` }
  }
  if (/^https?:\/\/[^\s/]/i.test(url)) {
    return /\s/.test(url) || !URL.canParse(url) ? { problem: "its URL is not valid" } : { url }
  }
  if (!/^data:/i.test(url)) {
    return {
      problem: /^file:/i.test(url)
        ? `the backend cannot read a file: URL; read the file and give its bytes`
        : `its URL is neither an https: nor a data: URL; give base64 as "${example[kind]}"`
    }
  }
  return readData(kind, url)
}

const readData = (kind: Kind, url: string): Media => {
  const comma = url.indexOf(",")
  const header = comma === -1 ? "" : url.slice("data:".length, comma)
  const type = /^\s*([\w.+-]+\/[\w.+-]+)\s*(?:;[^;]*)*;\s*base64\s*$/i.exec(header)?.[1]?.toLowerCase()
  if (type === undefined) return { problem: `its data: URL does not start like "${example[kind]}"` }
  if (kind === "image" && type !== "image/jpg" && !imageTypes.includes(type)) {
    return { problem: `its media type is ${type.slice(0, 40)}; ${readable}` }
  }
  if (kind === "sound" && !type.startsWith("audio/")) return { problem: `its media type is ${type.slice(0, 40)}` }
  const given = url.slice(comma + 1)
  const data = readBase64(given)
  if (data === undefined) return { problem: "the data of its data: URL is not base64" }
  if (data === "") return { problem: "its data: URL holds no data" }
  const actual = kind === "image" ? imageType(data) : type
  if (actual === undefined) return { problem: `its data is not an image of a known type; ${readable}` }
  // avoid copying or comparing large images, which are replayed in every request
  const isCanonical = data === given && url.startsWith(`data:${actual};base64,`)
  return { url: isCanonical ? url : `data:${actual};base64,${data}` }
}

const isBase64 = (text: string): boolean => text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text)

/** Normalizes common base64 variants to standard base64 with padding. */
const readBase64 = (text: string): string | undefined => {
  if (isBase64(text)) return text
  const bare = text
    .replace(/%(?:2B|2F|3D|0A|0D|20)/gi, decodeURIComponent)
    .replace(/\s+/g, "")
    .replace(/=+$/, "")
    .replaceAll("-", "+")
    .replaceAll("_", "/")
  const padded = bare + "=".repeat((4 - (bare.length % 4)) % 4)
  return isBase64(padded) ? padded : undefined
}

/** Detects the media type from the first twelve bytes (sixteen base64 characters). */
const imageType = (base64: string): string | undefined => {
  if (base64.startsWith("iVBORw0KGg")) return "image/png"
  if (base64.startsWith("/9j/")) return "image/jpeg"
  if (base64.startsWith("R0lGODdh") || base64.startsWith("R0lGODlh")) return "image/gif"
  return base64.startsWith("UklG") && base64.slice(12, 16) === "RUJQ" ? "image/webp" : undefined
}
