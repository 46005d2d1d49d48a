/**
 * A short hash of a text, stable across processes and versions (FNV-1a, 32 bits). Not cryptographic: it does not resist
 * deliberate collisions and does not hide the text.
 */
export const fingerprint = (text: string): string => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash >>> 0).toString(36)
}
