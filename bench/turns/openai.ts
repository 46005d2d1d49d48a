import OpenAI from "openai"
import type { Contestant } from "./contestants.ts"
import { accessToken, instructions, model, prompt } from "./request.ts"

/** The official client, as its documentation shows it. */
export const openai: Contestant = async (baseUrl) => {
  const client = new OpenAI({ apiKey: accessToken, baseURL: `${baseUrl}/codex`, maxRetries: 0 })
  return async (onText) => {
    const events = await client.responses.create({ model, instructions, input: prompt, stream: true, store: false })
    for await (const event of events) if (event.type === "response.output_text.delta") onText(event.delta)
  }
}
