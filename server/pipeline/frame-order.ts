export interface Ordered<Facts, T> {
  /** A promise where the frame does not say it itself. */
  contract: string | Promise<string>
  /** Runs beside the others. */
  prepare: ((contract_id: string) => Promise<Facts>) | undefined
  /** Hands the frame over, in this very step. */
  submit(contract_id: string, facts: Facts): Promise<T>
}

interface Turn {
  before: Promise<void> | undefined
  done(): void
}

/**
 * What one connection sends about one room is handed to the log in the order in which it came, however long each frame takes to be
 * prepared. Rooms do not wait for each other, but while it is looked up of which room a frame is.
 */
export function createFrameOrder() {
  /** By connection: until the room of the last frame is known. */
  const naming = new Map<string, Promise<void>>()
  /** By connection and room: until the last frame is handed over. */
  const turns = new Map<string, Promise<void>>()

  async function inOrder<Facts, T>(connection_id: string, { contract, prepare, submit }: Ordered<Facts, T>): Promise<T> {
    const isKnown = typeof contract === 'string' && !naming.has(connection_id)
    if (isKnown && prepare === undefined && !turns.has(`${connection_id} ${contract}`)) {
      // The cast holds: without `prepare` there are no facts.
      return submit(contract, undefined as Facts)
    }
    const { contract_id, turn } = isKnown
      ? { contract_id: contract, turn: takeTurn(`${connection_id} ${contract}`) }
      : await takeTurnWhenNamed(connection_id, contract)
    try {
      const facts = (await prepare?.(contract_id)) as Facts
      await turn.before
      return submit(contract_id, facts)
    } catch (refusal) {
      // The next frame waits for this one alone, so this one waits for those before it also when nothing comes of it.
      await turn.before
      throw refusal
    } finally {
      turn.done()
    }
  }

  function takeTurnWhenNamed(connection_id: string, contract: string | Promise<string>): Promise<{ contract_id: string; turn: Turn }> {
    const before = naming.get(connection_id)
    const taken = take()
    const settled = taken.then(
      () => undefined,
      () => undefined,
    )
    naming.set(connection_id, settled)
    void settled.then(() => {
      if (naming.get(connection_id) === settled) naming.delete(connection_id)
    })
    return taken

    async function take() {
      // Its refusal is told by the other wait, when its turn has come.
      if (typeof contract !== 'string') contract.catch(() => undefined)
      await before
      const contract_id = await contract
      return { contract_id, turn: takeTurn(`${connection_id} ${contract_id}`) }
    }
  }

  function takeTurn(name: string): Turn {
    const before = turns.get(name)
    const { promise, resolve } = Promise.withResolvers<void>()
    turns.set(name, promise)
    const done = () => {
      if (turns.get(name) === promise) turns.delete(name)
      resolve()
    }
    return { before, done }
  }

  return inOrder
}
