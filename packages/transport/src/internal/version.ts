/** The version of the packages, which the user agent names. `scripts/version.mjs` writes it. */
export const version = "0.1.0"
