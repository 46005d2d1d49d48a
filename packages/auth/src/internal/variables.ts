/** The environment variable an access token is taken from. */
export const accessTokenVariable = "OPENAI_CODEX_ACCESS_TOKEN"
