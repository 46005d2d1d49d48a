/** One turn by the AI SDK; prints its text, the calls it made, and the error it ended with. */
import { createOpenAI } from "@ai-sdk/openai"
import { jsonSchema, streamText, tool } from "ai"

const openai = createOpenAI({ baseURL: process.argv[2], apiKey: "none" })
const seen = { text: "", calls: [] }
try {
  const { fullStream } = streamText({
    model: openai.responses("gpt-5.5"),
    prompt: "Say it.",
    maxRetries: 1,
    tools: { look: tool({ inputSchema: jsonSchema({ type: "object", properties: {} }) }) },
    providerOptions: { openai: { store: false, instructions: "Be brief." } },
    onError: () => {}
  })
  for await (const part of fullStream) {
    if (part.type === "text-delta") seen.text += part.text
    if (part.type === "tool-call") seen.calls.push(part.toolName)
    if (part.type === "error") seen.error = part.error?.name ?? "an error"
  }
} catch (error) {
  seen.error = error.name
}
process.stdout.write(JSON.stringify(seen))
