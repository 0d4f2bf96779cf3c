import type { Clock } from '../../core/clock.ts'
import { isDuplicateKey } from '../../core/duplicate-key.ts'
import { isFree } from '../../pipeline/background/retry.ts'
import type { AuditModels, StreamDocument } from './model.ts'

const AUDIT_STREAM = 'audit:'

export function isAuditStream(stream: string): boolean {
  return stream.startsWith(AUDIT_STREAM)
}

export type OtherHub = Pick<StreamDocument, 'owner' | 'operator_mark'>

const LEASE_MS = 60_000
const RENEW_EVERY_MS = 20_000

/**
 * The stream that this hub writes its trail to: its own of last time, else the first that nobody holds, else a new one; so there are
 * about as many as hubs that ran at once. The lease only keeps two hubs from racing for each place: that both may write to one stream
 * and it stays right, the log itself sees to.
 */
export function createOwnStream({
  models: { streams },
  clock,
  owner,
  operator_mark,
  onOther,
  onTrouble,
}: {
  models: AuditModels
  clock: Clock
  owner: string
  operator_mark: string
  /** A hub that was there before this one is at work beside it. */
  onOther(other: OtherHub): void
  onTrouble(what: string, cause: unknown): void
}) {
  let number: number | undefined
  let cancel: (() => void) | undefined
  let renewing: Promise<void> | undefined
  /** Leases of others at the start: the last sign of a hub that is gone, or of one that is about to renew it. */
  const before = new Map<string, number>()

  async function claim(): Promise<number> {
    for (;;) {
      const lease = { $set: { owner, operator_mark, until: new Date(clock.now() + LEASE_MS) } }
      const free = isFree('until', clock.now(), LEASE_MS)
      const options = { sort: { _id: 1 }, projection: { _id: 1 } } as const
      const taken = (await streams.findOneAndUpdate({ owner }, lease, options)) ?? (await streams.findOneAndUpdate(free, lease, options))
      if (taken !== null) return taken._id
      const last = await streams.findOne({}, { sort: { _id: -1 }, projection: { _id: 1 } })
      const _id = (last?._id ?? 0) + 1
      const made = await streams.insertOne({ _id, ...lease.$set }).catch((error: unknown) => {
        // Another hub came in the same moment: look again.
        if (!isDuplicateKey(error)) throw error
        return undefined
      })
      if (made !== undefined) return _id
    }
  }

  async function start(): Promise<void> {
    number = await claim()
    for (const { owner: other, until } of await held()) before.set(other, until.getTime())
    renewLater()
  }

  const held = () => streams.find({ owner: { $ne: owner }, until: { $gt: new Date(clock.now()) } }).toArray()

  /** A lease that goes on is renewed by somebody; one that does not has been a hub's that was killed. */
  async function lookBeside(): Promise<void> {
    if (before.size === 0) return
    const leases = new Map((await held()).map((lease) => [lease.owner, lease]))
    for (const [other, until] of before) {
      const lease = leases.get(other)
      if (lease?.until.getTime() === until) continue
      before.delete(other)
      if (lease !== undefined) onOther(lease)
    }
  }

  function renewLater(): void {
    cancel = clock.after(RENEW_EVERY_MS, () => {
      renewing = renew().then(renewLater)
    })
  }

  async function renew(): Promise<void> {
    try {
      number = await claim()
      await lookBeside()
    } catch (cause) {
      onTrouble('the lease of the audit stream was not renewed', cause)
    }
  }

  /** The next hub may have it at once. */
  async function close(): Promise<void> {
    cancel?.()
    await renewing
    cancel?.()
    const ended = { $set: { until: new Date(0) } }
    await streams.updateOne({ owner }, ended).catch((cause: unknown) => onTrouble('the audit stream was not given back', cause))
  }

  return {
    start,
    close,
    name(): string {
      if (number === undefined) throw new Error('the audit stream was asked for before it was claimed')
      return `${AUDIT_STREAM}${number}`
    },
  }
}

export type OwnStream = ReturnType<typeof createOwnStream>
