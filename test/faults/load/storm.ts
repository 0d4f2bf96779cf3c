import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MemberSpec } from '../../../bench/member.ts'
import { connectAs, openContract, type Person, signUp } from '../../harness/people.ts'
import { freePort, startHubProcess } from '../../harness/processes/hub-process.ts'
import type { StormResult } from './storm-clients.ts'

export interface Storm extends StormResult {
  clients: number
  rooms: number
  /** Events that were missed, over all clients, and did not come. */
  lost: number
  /** Reads of a room's log that gave events, over all rooms: one page each is the least. */
  reads: number
}

const CLIENTS_A_ROOM = 50
const BEHIND = 100
const MANY = 1_000_000
/** One person stands for all of them. */
const LIMITS = { frames_per_s: MANY, frames_burst: MANY, bytes_per_s: 1_000 * MANY, principal_frames_per_s: MANY, room_frames_per_s: MANY }

/** A hub that was killed is back, knows nothing yet, and everyone comes back to it in the same moment, 100 events behind. */
export async function runStorm(clients: number): Promise<Storm> {
  const data_dir = await mkdtemp(join(tmpdir(), 'parley-storm-'))
  const port = await freePort()
  const start = () => startHubProcess({ data_dir, port, env: { PARLEY_LIMITS: JSON.stringify(LIMITS) } })
  let hub = await start()
  const generator = fork(fileURLToPath(new URL('storm-clients.ts', import.meta.url)))
  try {
    const requester = await signUp(hub)
    const rooms: string[] = []
    while (rooms.length * CLIENTS_A_ROOM < clients) rooms.push(await filledRoom(hub, requester))
    await hub.kill()
    hub = await start()
    const specs = Array.from({ length: clients }, (_, at): MemberSpec => {
      return { dialect: 'parley', port, room: rooms[at % rooms.length] ?? '', auth: requester.auth, since: 1 }
    })
    generator.send(specs)
    const [result] = (await once(generator, 'message')) as [StormResult]
    const reads = await readsThatGaveEvents(hub.url)
    return { ...result, clients, rooms: rooms.length, lost: clients * BEHIND - result.told, reads }
  } finally {
    generator.disconnect()
    await hub.stop()
    await rm(data_dir, { recursive: true, force: true })
  }
}

async function filledRoom(hub: { url: string; operator_token: string }, requester: Person): Promise<string> {
  const { contract_id } = await openContract(hub, { requester })
  const client = await connectAs(hub, requester)
  const post = (at: number) => client.must('message.post', { contract_id, key: `missed-${at}`, body: `message ${at} that was missed` })
  await Promise.all(Array.from({ length: BEHIND }, (_, at) => post(at)))
  client.close()
  return contract_id
}

async function readsThatGaveEvents(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(/^parley_log_reads_total\{stream="contract",gave="events"\} (\d+)/m.exec(text)?.[1] ?? 0)
}
