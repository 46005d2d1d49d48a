/**
 * The backend over real sockets, for Node.
 *
 * @since 0.1.0
 */
export * as BackendServer from "./node/BackendServer.ts"
export * as TestCertificate from "./node/TestCertificate.ts"
