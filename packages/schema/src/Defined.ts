/**
 * Optional keys: absent, never `undefined`.
 *
 * @since 0.1.0
 */

/**
 * The type of an object after its `undefined` values were dropped.
 *
 * @since 0.1.0
 * @category models
 */
export type Defined<A> = { [K in keyof A as undefined extends A[K] ? never : K]: A[K] } & {
  [K in keyof A as undefined extends A[K] ? K : never]?: Exclude<A[K], undefined>
}

/**
 * Drops the keys whose value is `undefined`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const defined = <A extends object>(fields: A): Defined<A> => {
  const all = fields as Readonly<Record<string, unknown>>
  const kept: Record<string, unknown> = {}
  for (const key of Object.keys(all)) if (all[key] !== undefined) kept[key] = all[key]
  return kept as Defined<A>
}
