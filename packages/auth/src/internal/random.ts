import * as Encoding from "effect/Encoding"

/** A cryptographically random text: the base64url form of random bytes. */
export const randomText = (bytes: number): string =>
  Encoding.encodeBase64Url(globalThis.crypto.getRandomValues(new Uint8Array(bytes)))
