interface Lane {
  under_way: number
  waiting: (() => void)[]
}

/**
 * Work that must not run all at once: so much of it in all, and so much of one lane. Lanes that wait are served in turn, so one that asks
 * for a thousand things keeps another waiting for one of them, not for all.
 */
export function createFairTurns({ at_once, per_lane }: { at_once: number; per_lane: number }) {
  /** In the order in which they are served: who was let in goes to the end. */
  const lanes = new Map<string, Lane>()
  let under_way = 0

  async function run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const lane = lanes.get(name) ?? { under_way: 0, waiting: [] }
    lanes.set(name, lane)
    await new Promise<void>((begin) => {
      lane.waiting.push(begin)
      letIn()
    })
    try {
      return await work()
    } finally {
      lane.under_way--
      under_way--
      if (lane.under_way === 0 && lane.waiting.length === 0) lanes.delete(name)
      letIn()
    }
  }

  function letIn(): void {
    for (const [name, lane] of lanes) {
      if (under_way >= at_once) return
      if (lane.under_way >= per_lane) continue
      const begin = lane.waiting.shift()
      if (begin === undefined) continue
      lane.under_way++
      under_way++
      lanes.delete(name)
      lanes.set(name, lane)
      begin()
    }
  }

  return { run, waitingOf: (name: string) => lanes.get(name)?.waiting.length ?? 0 }
}

export type FairTurns = ReturnType<typeof createFairTurns>
