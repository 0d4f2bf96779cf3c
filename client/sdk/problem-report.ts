import type { Emitter } from './link/emitter.ts'
import type { HubEvents, Problem } from './types.ts'

/**
 * Tells listeners of `problem`. When there are none, or one of them fails on the problem itself, the console is the last place
 * where it can be seen.
 */
export function createProblemReport(emitter: Emitter<HubEvents>): (problem: Problem) => void {
  let isTelling = false
  return (problem) => {
    if (isTelling || !emitter.listens('problem')) {
      console.warn(`parley: ${problem.during}:`, problem.error)
      return
    }
    isTelling = true
    emitter.emit('problem', problem)
    isTelling = false
  }
}
