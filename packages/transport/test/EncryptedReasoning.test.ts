import { assert, describe, it } from "@effect/vitest"
import { ServiceError } from "@effect-codex/schema"
import { EncryptedReasoning } from "@effect-codex/transport"

const refused = (fields: ConstructorParameters<typeof ServiceError.InvalidRequest>[0]) =>
  EncryptedReasoning.isRefused(new ServiceError.InvalidRequest(fields))

describe("a refusal of encrypted content", () => {
  it("is detected by its code", () => {
    assert.isTrue(refused({ code: "invalid_encrypted_content" }))
    assert.isTrue(EncryptedReasoning.isRefused(new ServiceError.ResponseFailed({ code: "invalid_encrypted_content" })))
  })

  it.each([
    "The encrypted content <redacted> could not be verified.",
    "The encrypted content for item rs_1 could not be verified. Reason: Encrypted content could not be decrypted or parsed.",
    "encrypted_content could not be decrypted",
    "Encrypted content item_id did not match the target item id.",
    "Failed to decrypt the reasoning of input[3]."
  ])("is told by its words when there is no code: %s", (serverMessage) => {
    assert.isTrue(refused({ serverMessage }))
    assert.isTrue(refused({ serverMessage, code: "invalid_request_error" }))
  })

  it.each([
    "Your account could not be verified.",
    "The image data could not be read.",
    "Invalid 'input[3].encrypted_content': string too long.",
    "Missing required parameter: 'input[8].encrypted_content'.",
    ""
  ])("is not: %s", (serverMessage) => {
    assert.isFalse(refused({ serverMessage }))
  })

  it("is not a failure of another kind", () => {
    const serverMessage = "The encrypted content could not be verified."
    assert.isFalse(EncryptedReasoning.isRefused(new ServiceError.AccessDenied({ serverMessage })))
  })
})
