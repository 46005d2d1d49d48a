/** Whether a request that got this status may succeed later. */
export const isTransient = (status: number): boolean => status === 408 || status === 429 || status >= 500
