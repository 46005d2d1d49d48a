import * as Encoding from "effect/Encoding"

/** Unguessable text: the base64url form of so many random bytes. */
export const randomText = (bytes: number): string =>
  Encoding.encodeBase64Url(globalThis.crypto.getRandomValues(new Uint8Array(bytes)))
