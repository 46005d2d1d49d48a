/**
 * Sets of strings that the server may extend at any time.
 *
 * @since 0.1.0
 */

/**
 * A string with known values. Any other string is allowed too; editors suggest the known ones.
 *
 * @since 0.1.0
 * @category models
 */
export type Open<Known extends string> = Known | (string & {})
