/** Rings the other hubs because the trail went on: at once, and then at most so often however fast it goes on. */
const REST_MS = 200

export function createRingHubs(ring: () => void) {
  let resting: NodeJS.Timeout | undefined
  let isWanted = false

  function wake(): void {
    isWanted = true
    if (resting !== undefined) return
    isWanted = false
    ring()
    // A real wait even under a hand-moved clock: it is the bus's pace, not the product's time.
    resting = setTimeout(() => {
      resting = undefined
      if (isWanted) wake()
    }, REST_MS).unref()
  }

  return { wake, close: () => clearTimeout(resting) }
}
