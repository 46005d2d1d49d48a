/** With `EXHAUSTIVE=1` every case is tried, which can take minutes; without it a sample, spread evenly. */
export const exhaustive = process.env["EXHAUSTIVE"] === "1"

/** How far apart this many samples of a row are: 1, so that nothing is left out, where every case is tried. */
export const stepOf = (length: number, samples: number): number =>
  exhaustive ? 1 : Math.max(1, Math.floor(length / samples))

/** As many, or a third of them where a sample is enough. */
export const fewer = (all: number): number => (exhaustive ? all : Math.ceil(all / 3))
