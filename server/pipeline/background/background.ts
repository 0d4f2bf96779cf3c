/** Work that nobody waits for, but that must be over before the database is closed. Its failures are told, never thrown. */
export interface Background {
  run(what: string, work: Promise<unknown>): void
  settled(): Promise<void>
}

export function createBackground(onTrouble: (what: string, cause: unknown) => void): Background {
  const under_way = new Set<Promise<void>>()

  function run(what: string, work: Promise<unknown>): void {
    const told = work.then(
      () => undefined,
      (cause: unknown) => onTrouble(what, cause),
    )
    under_way.add(told)
    void told.then(() => under_way.delete(told))
  }

  async function settled(): Promise<void> {
    while (under_way.size > 0) await Promise.all(under_way)
  }

  return { run, settled }
}
