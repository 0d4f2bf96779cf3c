import { ParleyError } from '../../../../shared/protocol/index.ts'

interface Seals {
  count: number
  over: PromiseWithResolvers<void>
}

/** The calls whose outcome this node is writing. Several may be on their way: the stream goes on when all of them are over. */
export function createSealing(give_up_ms: number) {
  const byCall = new Map<string, Seals>()

  /** The answer ends it, once. */
  function begin(call_id: string): () => void {
    const seals = byCall.get(call_id) ?? { count: 0, over: Promise.withResolvers<void>() }
    byCall.set(call_id, seals)
    seals.count++
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      if (--seals.count > 0) return
      byCall.delete(call_id)
      seals.over.resolve()
    }
  }

  /** Resolves when no outcome is being written; UNAVAILABLE when that takes too long. */
  async function over(call_id: string): Promise<void> {
    const seals = byCall.get(call_id)
    if (seals === undefined) return
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new ParleyError('UNAVAILABLE', { waited_ms: give_up_ms })), give_up_ms)
    })
    await Promise.race([seals.over.promise, late]).finally(() => clearTimeout(timer))
  }

  return { begin, over, has: (call_id: string) => byCall.has(call_id) }
}
