/** What is used of a package that has no types. */
declare module "oidc-provider" {
  import type { RequestListener } from "node:http"
  export default class Provider {
    constructor(issuer: string, configuration: object)
    callback(): RequestListener
  }
}
