/** The clients that are compared. Each asks for one turn at a time and hands over the text as it comes. */

/** One turn. Resolves when it is whole; `onText` gets the pieces of its answer. */
export type Turn = (onText: (text: string) => void) => Promise<void>

/** A client of the server at a base URL; turns may be asked for concurrently. */
export type Contestant = (baseUrl: string) => Promise<Turn>

/** Loaded one by one, so that a process holds nothing of the others. */
export const contestants = {
  undici: async () => (await import("./undici.ts")).undici,
  openai: async () => (await import("./openai.ts")).openai,
  "Codex.turn": async () => (await import("./codex.ts")).turn,
  "Codex.turn over HttpClient": async () => (await import("./codex.ts")).turnOverHttpClient,
  "Codex.stream": async () => (await import("./codex.ts")).stream
} satisfies Record<string, () => Promise<Contestant>>

export type Name = keyof typeof contestants
