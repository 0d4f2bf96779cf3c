export interface Sample {
  minute: number
  /** What the hub keeps: its heap behind a collection of garbage. */
  heap_mb: number
  rss_mb: number
}

export interface Growth {
  /** By least squares over all samples. */
  mb_per_minute: number
  first_mb: number
  last_mb: number
  grows: boolean
}

/** The median of the last third may be above that of the first by so much: a share, or as many megabytes where that is little. */
export const criteria = { heap_mb: { share: 0.1, mb: 8 }, rss_mb: { share: 0.15, mb: 32 } } as const

export function growthOf(samples: readonly Sample[], what: keyof typeof criteria): Growth {
  const third = Math.max(1, Math.floor(samples.length / 3))
  const values = samples.map((sample) => sample[what])
  const [first_mb, last_mb] = [median(values.slice(0, third)), median(values.slice(-third))]
  const { share, mb } = criteria[what]
  return { first_mb, last_mb, mb_per_minute: slope(samples, what), grows: last_mb > first_mb + Math.max(share * first_mb, mb) }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return ((sorted[Math.floor((sorted.length - 1) / 2)] ?? 0) + (sorted[Math.floor(sorted.length / 2)] ?? 0)) / 2
}

function slope(samples: readonly Sample[], what: keyof typeof criteria): number {
  const mean = (of: (sample: Sample) => number) => samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length
  const [minute, value] = [mean((one) => one.minute), mean((one) => one[what])]
  const spread = mean((one) => (one.minute - minute) ** 2)
  return spread === 0 ? 0 : mean((one) => (one.minute - minute) * (one[what] - value)) / spread
}
