import type { ContractState } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import { listPage, type PageQuery } from '../../pipeline/http/list-page.ts'
import { contractOf } from '../../pipeline/log/record.ts'
import type { StoredEvent } from '../../pipeline/store/event-store.ts'
import type { ContractDocument, RoomModels } from './model.ts'
import { createRoomActivity } from './room-activity.ts'

/** The list of contracts. A reactor keeps it in step with the logs; the same event twice changes nothing. */
export function createContractRows({
  models: { contracts },
  clock,
  onTrouble,
}: {
  models: RoomModels
  clock: Clock
  onTrouble(what: string, cause: unknown): void
}) {
  const activity = createRoomActivity({ contracts, clock, onTrouble })

  async function follow(stream: string, { event }: StoredEvent): Promise<void> {
    const _id = contractOf(stream)
    if (event.type === 'contract.opened') {
      const row: Omit<ContractDocument, '_id'> = {
        ...event.data,
        state: 'open',
        opened_at: new Date(event.at),
        last_activity_at: new Date(event.at),
      }
      await contracts.updateOne({ _id }, { $setOnInsert: row }, { upsert: true })
    }
    if (event.type === 'contract.ended') {
      const at = new Date(event.at)
      const ended = { state: 'ended' as const, ended_at: at, outcome: event.data.outcome }
      await contracts.updateOne({ _id }, { $set: ended, $max: { last_activity_at: at } })
    }
  }

  /** `parties` = only where one of these is a party; undefined = all. */
  async function list(parties: string[] | undefined, query: PageQuery & { state?: ContractState }) {
    const filter = query.state === undefined ? {} : { state: query.state }
    const oneOf = parties && ({ fields: ['requester_id', 'provider_id'], values: parties } as const)
    // Ids are made when a contract is opened, and sort by that time.
    return listPage(contracts, { filter, oneOf, query, sorts: { opened_at: '_id', last_activity_at: 'last_activity_at' } })
  }

  async function find(_id: string): Promise<ContractDocument | undefined> {
    return (await contracts.findOne({ _id })) ?? undefined
  }

  /** The open contracts that a principal is a party to. */
  async function openOf(principal_id: string): Promise<string[]> {
    const sides = openSides(principal_id).map((side) => side.sort({ _id: -1 }).limit(MOST_OPEN).toArray())
    const ids = new Set((await Promise.all(sides)).flat().map(({ _id }) => _id))
    return [...ids].sort().reverse().slice(0, MOST_OPEN)
  }

  /** The same, however many there are. */
  async function allOpenOf(principal_id: string): Promise<string[]> {
    const ids = new Set<string>()
    for (const side of openSides(principal_id)) for await (const { _id } of side) ids.add(_id)
    return [...ids]
  }

  // Two questions: for one with `$or` the embedded database has no plan but to read all open contracts of the hub.
  function openSides(principal_id: string) {
    const sides = [{ requester_id: principal_id }, { provider_id: principal_id }]
    return sides.map((side) => contracts.find({ ...side, state: 'open' }, { projection: { _id: 1 } }))
  }

  return { follow, list, find, openOf, allOpenOf, ...activity }
}

/** A welcome lists so many, newest first; the rest are found by `GET /contracts`. */
const MOST_OPEN = 1_000

export type ContractRows = ReturnType<typeof createContractRows>
