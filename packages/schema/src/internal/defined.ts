/**
 * Objects without their `undefined` keys, which JSON cannot say.
 *
 * @internal
 */

/** The object with only those keys that have a value. */
export const defined = <A extends object>(fields: { readonly [K in keyof A]: A[K] | undefined }): A =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as A
