/** One turn by the Codex provider of pi-ai; prints its text, the calls it made, and the error it ended with. */
import { normalizeContext } from "@earendil-works/pi-ai"
import { stream } from "@earendil-works/pi-ai/api/openai-codex-responses"
import { openaiCodexProvider } from "@earendil-works/pi-ai/providers/openai-codex"

const [, , baseUrl, apiKey, transport] = process.argv
const model = openaiCodexProvider()
  .getModels()
  .find(({ id }) => id === "gpt-6-sol")
const context = normalizeContext({
  systemPrompt: "Be brief.",
  messages: [{ role: "user", content: "Say it.", timestamp: Date.now() }],
  tools: [{ name: "look", description: "Looks.", parameters: { type: "object", properties: {} } }]
})
const seen = { text: "", calls: [] }
for await (const event of stream({ ...model, baseUrl }, context, { apiKey, transport, maxRetries: 1 })) {
  if (event.type === "text_delta") seen.text += event.delta
  if (event.type === "toolcall_end") seen.calls.push(event.toolCall.name)
  if (event.type === "error") seen.error = event.error.errorMessage
}
process.stdout.write(JSON.stringify(seen))
// sockets stay open for the next turn
process.exit()
