/**
 * Generates a certificate for 127.0.0.1, so that no private key is stored in files.
 *
 * @since 0.1.0
 */
import * as Crypto from "node:crypto"
import * as Effect from "effect/Effect"

/**
 * A private key and its self-signed certificate, both PEM. A client that should trust it uses `cert` as CA.
 *
 * @since 0.1.0
 * @category models
 */
export interface TestCertificate {
  readonly key: string
  readonly cert: string
}

/** DER: a tag, the length of the contents, the contents. */
const der = (tag: number, ...contents: ReadonlyArray<Uint8Array>): Buffer => {
  const body = Buffer.concat(contents)
  const { length } = body
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Uint8Array.of(tag, ...size), body])
}

const sequence = (...contents: ReadonlyArray<Uint8Array>) => der(0x30, ...contents)
const bytes = (...values: ReadonlyArray<number>) => Uint8Array.from(values)
const ascii = (text: string) => Buffer.from(text, "ascii")

const oid = {
  ecdsaWithSha256: der(0x06, bytes(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)),
  commonName: der(0x06, bytes(0x55, 0x04, 0x03)),
  subjectAltName: der(0x06, bytes(0x55, 0x1d, 0x11)),
  basicConstraints: der(0x06, bytes(0x55, 0x1d, 0x13))
}
const name = sequence(der(0x31, sequence(oid.commonName, der(0x0c, ascii("@effect-codex/testing")))))
const yes = der(0x01, bytes(0xff))

/**
 * Creates a key and a self-signed certificate for 127.0.0.1 and localhost, valid until 2099.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<TestCertificate> = Effect.sync(() => {
  const { privateKey, publicKey } = Crypto.generateKeyPairSync("ec", { namedCurve: "P-256" })
  const algorithm = sequence(oid.ecdsaWithSha256)
  const signed = sequence(
    der(0xa0, der(0x02, bytes(2))),
    der(0x02, bytes(1), Crypto.randomBytes(8)),
    algorithm,
    name,
    sequence(der(0x17, ascii("200101000000Z")), der(0x18, ascii("20991231235959Z"))),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(
      0xa3,
      sequence(
        sequence(oid.basicConstraints, yes, der(0x04, sequence(yes))),
        sequence(oid.subjectAltName, der(0x04, sequence(der(0x87, bytes(127, 0, 0, 1)), der(0x82, ascii("localhost")))))
      )
    )
  )
  const signature = Crypto.sign("sha256", signed, privateKey)
  const certificate = sequence(signed, algorithm, der(0x03, bytes(0), signature))
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: new Crypto.X509Certificate(certificate).toString()
  }
})
