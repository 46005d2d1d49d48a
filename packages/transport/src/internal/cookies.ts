/**
 * The cookies of the network edge and of the load balancer (protocol N.1): kept in memory and sent only to the host
 * that set them.
 */

/** The only host whose cookies are kept. */
const origin = "https://chatgpt.com"

const names: ReadonlySet<string> = new Set([
  "__cf_bm",
  "__cflb",
  "__cfruid",
  "__cfseq",
  "__cfwaitingroom",
  "_cfuvid",
  "cf_clearance",
  "cf_ob_info",
  "cf_use_ob",
  "__oailb"
])

const isAllowed = (name: string): boolean => names.has(name) || name.startsWith("cf_chl_")

/** Valid in a header, and no longer than the usual cookie limit. */
const isValue = (value: string): boolean => value.length <= 4096 && /^[\x21-\x3a\x3c-\x7e]*$/.test(value)

interface Cookie {
  readonly value: string
  /** In milliseconds since 1970. */
  readonly expiresAt: number
}

/** The expiry time of a cookie; infinite without one. */
const endOf = (attributes: ReadonlyArray<string>, now: number): number => {
  const attribute = (name: string) =>
    attributes.find((text) => text.toLowerCase().startsWith(`${name}=`))?.slice(name.length + 1)
  const maxAge = attribute("max-age")
  if (maxAge !== undefined && /^-?\d+$/.test(maxAge)) return now + Number(maxAge) * 1000
  const expires = Date.parse(attribute("expires") ?? "")
  return Number.isNaN(expires) ? Number.POSITIVE_INFINITY : expires
}

export class Jar {
  readonly #cookies = new Map<string, Cookie>()

  /** Stores the `set-cookie` headers of a response. */
  store(url: string, setCookies: ReadonlyArray<string>, now: number): void {
    if (setCookies.length === 0 || new URL(url).origin !== origin) return
    for (const header of setCookies) {
      const [pair = "", ...attributes] = header.split(";").map((part) => part.trim())
      const equals = pair.indexOf("=")
      const name = pair.slice(0, Math.max(0, equals))
      const value = pair.slice(equals + 1)
      if (!isAllowed(name) || !isValue(value)) continue
      const expiresAt = endOf(attributes, now)
      if (expiresAt > now) this.#cookies.set(name, { value, expiresAt })
      else this.#cookies.delete(name)
    }
  }

  /** The `cookie` header of a request, if there are cookies to send. */
  header(url: string, now: number): string | undefined {
    if (this.#cookies.size === 0 || new URL(url).origin !== origin) return undefined
    for (const [name, { expiresAt }] of this.#cookies) if (expiresAt <= now) this.#cookies.delete(name)
    return this.#cookies.size === 0
      ? undefined
      : Array.from(this.#cookies, ([name, { value }]) => `${name}=${value}`).join("; ")
  }

  /** The values, which are secrets. */
  get values(): ReadonlyArray<string> {
    return Array.from(this.#cookies.values(), ({ value }) => value)
  }
}
