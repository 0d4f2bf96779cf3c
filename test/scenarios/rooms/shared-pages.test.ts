import { expect } from 'chai'
import { createManualClock } from '../../harness/clock.ts'
import { readLog } from '../../harness/history/read-log.ts'
import { startHub } from '../../harness/hub.ts'
import { connectAs, openContract, signUp } from '../../harness/people.ts'

const POSTS = 30

it('[PAGE-1] many who come back at once share the texts of pages, and each sees what he may and no more', async () => {
  // The smallest pages that there may be, so that each replay is of several.
  const hub = await startHub({ clock: createManualClock(), limits: { page_events: 7 } })
  const { contract_id, requester } = await openContract(hub)
  const reviewer = await signUp(hub, ['reviewer'])
  const writer = await connectAs(hub, reviewer)
  for (let n = 0; n < POSTS; n++) {
    const visibility = n % 3 === 0 ? 'staff' : 'all'
    await writer.must('message.post', { contract_id, key: `post ${n}`, body: `grüße ${n}`, visibility })
  }
  const log = await readLog(hub, contract_id)

  const people = Array.from({ length: 12 }, (_, at) => (at % 2 === 0 ? requester : reviewer))
  const sinces = people.map((_, at) => [0, 1, 5][at % 3] ?? 0)
  const clients = await Promise.all(people.map((person) => connectAs(hub, person)))
  await Promise.all(clients.map((client, at) => client.must('room.join', { contract_id, since: sinces[at] ?? 0 })))
  for (const client of clients) await client.next('live')

  for (const [at, client] of clients.entries()) {
    const mine = log.slice(sinces[at]).map((event) => {
      const isHidden = people[at] === requester && 'data' in event && 'visibility' in event.data && event.data.visibility === 'staff'
      return isHidden ? { seq: event.seq, type: 'redacted', chain: event.chain } : event
    })
    const told = client.events(contract_id).map((event) => {
      if (event.type !== 'redacted') return event
      const { digest: _, ...stub } = event
      return stub
    })
    expect(told).to.deep.equal(mine)
    client.close()
  }
  writer.close()
  await hub.close()
})
