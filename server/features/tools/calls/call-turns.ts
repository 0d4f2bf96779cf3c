/** Runs what concerns one call one after the other, in the order of asking. A failure concerns its own turn only. */
export function createCallTurns() {
  const last = new Map<string, Promise<unknown>>()

  function take<T>(call_id: string, run: () => Promise<T>): Promise<T> {
    const before = last.get(call_id) ?? Promise.resolve()
    const mine = before.then(run)
    // The chain goes on after a failure; whoever asked for the turn gets the failure itself.
    const settled = mine.catch(() => undefined)
    last.set(call_id, settled)
    void settled.then(() => {
      if (last.get(call_id) === settled) last.delete(call_id)
    })
    return mine
  }

  return { take }
}

export type CallTurns = ReturnType<typeof createCallTurns>
