/**
 * A short name for a text, the same in every process and version (FNV-1a, 32 bits). It tells texts apart that are not
 * chosen to collide; it keeps nothing secret.
 */
export const fingerprint = (text: string): string => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash >>> 0).toString(36)
}
