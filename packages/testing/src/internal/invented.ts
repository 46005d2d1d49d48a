/**
 * Deterministic pseudo-random text.
 */
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/** FNV-1a. */
const hash = (text: string): number => {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return value >>> 0
}

/** Letters and digits. */
export const letters = (seed: string, length: number): string => {
  let state = hash(seed) | 1
  let out = ""
  for (let i = 0; i < length; i++) {
    // xorshift32
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    out += alphabet[(state >>> 0) % alphabet.length]
  }
  return out
}

/** Fake encrypted content in the format of the backend (a Fernet token). */
export const encrypted = (seed: string): string => `gAAAAAB${letters(seed, 113)}`

/** Pads a delta to a multiple of 16 characters, so that its size reveals nothing. */
export const obfuscation = (seed: string, delta: string): string => letters(seed, (16 - (delta.length % 16)) % 16)
