/**
 * Reads of one thing by many at once: who asks while one is under way shares the next, for the one under way may have looked before
 * that happened which the asker knows of. However many ask, there are two at most, one after the other.
 */
export function createSharedReads<A extends unknown[], T>({
  nameOf,
  read,
}: {
  /** Questions of one name have one answer. */
  nameOf(...question: A): string
  read(...question: A): Promise<T>
}): (...question: A) => Promise<T> {
  const turns = new Map<string, { now: Promise<T>; next?: Promise<T> }>()

  function begin(name: string, question: A): Promise<T> {
    const turn: { now: Promise<T>; next?: Promise<T> } = { now: read(...question) }
    turns.set(name, turn)
    const end = () => {
      if (turn.next === undefined) turns.delete(name)
    }
    turn.now.then(end, end)
    return turn.now
  }

  return (...question) => {
    const name = nameOf(...question)
    const turn = turns.get(name)
    if (turn === undefined) return begin(name, question)
    const again = () => begin(name, question)
    turn.next ??= turn.now.then(again, again)
    return turn.next
  }
}
