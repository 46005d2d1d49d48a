/** What every contestant asks for. */
export const model = "gpt-5.5"
export const instructions = "You are a helpful assistant."
export const prompt = "Write a sentence about a fox and some dogs."

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")

/** A token that says what real ones say, signed by nobody. */
export const accessToken = [
  encode({ alg: "none", typ: "JWT" }),
  encode({ exp: 4_102_444_800, "https://api.openai.com/auth": { chatgpt_account_id: "acc_test" } }),
  "unsigned"
].join(".")
