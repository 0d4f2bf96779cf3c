/** What the log tells of itself while it works. */
export interface LogMeter {
  /** One group commit. */
  commit(commit: { ms: number; events: number }): void
  /** A commit lost the race for a place. */
  conflict(): void
  /** A read of a piece of a log of this kind (`contract`), and how many events it gave. */
  read(kind: string, events: number): void
  /** A frame was recorded already. */
  duplicate(): void
  /** A hole in what another node said was read from the log. */
  repair(): void
  /** From the commit of a batch to its hand-over to the connections of this node. */
  delivered(ms: number): void
}

export const silentMeter: LogMeter = {
  commit: () => {},
  conflict: () => {},
  read: () => {},
  duplicate: () => {},
  repair: () => {},
  delivered: () => {},
}
