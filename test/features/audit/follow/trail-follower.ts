import type { AuditItem, FrameInput, Push } from '../../../../shared/protocol/index.ts'
import type { TestHub } from '../../../harness/hub.ts'
import { type Client, connectAs, type Person } from '../../../harness/people.ts'

export interface TrailFollower {
  client: Client
  ack: { cursor: string; reset?: true }
  /** Everything it was told, in the order of arrival. */
  items(): AuditItem[]
  /** The newest cursor that it has. */
  cursor(): string
  /** Resolves with the item that fits, now or later. */
  item(fits: (item: AuditItem) => boolean): Promise<AuditItem>
  close(): void
}

/** A connection that follows the trail. Answers once it has all that there was behind its place. */
export async function followTrail(
  hub: Pick<TestHub, 'url'>,
  who: Pick<Person, 'auth'>,
  asked: FrameInput<'audit.follow'> = {},
): Promise<TrailFollower> {
  const client = await connectAs(hub, who)
  const ack = await client.must('audit.follow', asked)
  await client.next('audit.events', ({ live }) => live)
  return followerOn(client, ack)
}

export function followerOn(client: Client, ack: TrailFollower['ack']): TrailFollower {
  const pushes = () => client.told.filter(({ type }) => type === 'audit.events').map(({ payload }) => payload as Push<'audit.events'>)
  const items = () => pushes().flatMap((push) => push.items)
  return {
    ...{ client, ack, items },
    cursor: () => pushes().at(-1)?.cursor ?? ack.cursor,
    item: async (fits) => {
      const push = await client.next('audit.events', (one) => one.items.some(fits))
      return push.items.find(fits) as AuditItem
    },
    close: client.close,
  }
}

export const namesOf = (items: readonly AuditItem[]) => items.map(({ metadata }) => metadata['name'])
