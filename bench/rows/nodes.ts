import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { openContract } from '../../test/harness/people.ts'
import { freePort } from '../../test/harness/processes/hub-process.ts'
import type { ParleyServer, Rig } from '../rig.ts'
import { hubLane, peopleOf } from '../rooms.ts'
import { compare, interleave, type Line, type Plan, spread, withLanes } from '../rounds.ts'
import { skipped } from './fan-out.ts'

const SIZE = { rooms: 20, members: 5 }

/** B10: two nodes on one database, joined by Redis, half of each room on either; and one of them is killed. */
export async function nodes(rig: Rig, plan: Plan): Promise<Line[]> {
  const redis_url = await startRedis(rig)
  if (redis_url === undefined) return [{ ...skipped('B10', 'two nodes'), note: 'no redis-server on PATH' }]
  const [alone, database] = [await rig.database(), await rig.database()]
  const secret = { PARLEY_SECRET: randomBytes(24).toString('hex'), PARLEY_OPERATOR_TOKEN: `op_${randomBytes(24).toString('hex')}` }
  const one = await rig.parley({ database: alone })
  const env = { ...secret, REDIS_URL: redis_url }
  const [left, right] = [await rig.parley({ database, env }), await rig.parley({ database, env })]
  const people = await peopleOf(left)
  const both: ParleyServer = { ...left, pids: [...new Set([...left.pids, ...right.pids])] }
  const lanes = [
    await hubLane(both, people, { name: 'two nodes', size: SIZE, ports: [left.port, right.port] }),
    await hubLane(one, await peopleOf(one), { name: 'one node', size: SIZE }),
  ]
  const lines = await withLanes(rig, lanes, async () => {
    const samples = await interleave(rig, plan, lanes, { kind: 'post', outstanding: 5 })
    return [
      compare(samples, {
        row: 'B10',
        work: 'durable, rooms of 5 over two nodes',
        outstanding: '5',
        candidate: 'two nodes',
        baseline: 'one node',
      }),
    ]
  })
  lines.push(await kill(rig, { left, right, people }))
  await left.stop()
  await one.stop()
  return lines
}

/** One node dies under load. Its readers come back on the other with where they were: every acknowledged post is there once. */
async function kill(
  rig: Rig,
  { left, right, people }: { left: ParleyServer; right: ParleyServer; people: Awaited<ReturnType<typeof peopleOf>> },
): Promise<Line> {
  const { generator } = rig
  const { requester } = people
  const { contract_id } = await openContract(left.hub, { requester })
  const reader = { dialect: 'parley' as const, room: contract_id, auth: requester.auth }
  await generator.do(
    'gather',
    Array.from({ length: 10 }, () => ({ ...reader, port: right.port, since: 1 })),
  )
  await generator.do('open', { name: 'writer', pids: [], rooms: [{ members: [{ ...reader, port: left.port }] }] })
  const load = generator.do('load', { lane: 'writer', kind: 'post', outstanding: 10, warm_ms: 0, ms: 3_000 })
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  await right.kill()
  const away = await generator.do('scatter', undefined as never)
  const back = await generator.do(
    'gather',
    away.map(({ last }) => ({ ...reader, port: left.port, since: last })),
  )
  const { lost } = await load
  await new Promise((resolve) => setTimeout(resolve, 500))
  const now = await generator.do('scatter', undefined as never)
  const [head] = await headOf(left, contract_id, requester.bearer)
  const behind = now.reduce((sum, { last }) => sum + ((head ?? 0) - last), 0)
  await generator.do('close', { name: 'writer' })
  const missed = behind + back.holes + lost
  return {
    ...{
      row: 'B10',
      work: 'kill -9 of one of two nodes, 10 readers come back on the other',
      outstanding: '10',
      unit: 'ms until all are live',
    },
    candidate: { name: 'two nodes', value: spread([back.ms]) },
    note: `lost ${missed}, twice ${back.twice}; one round`,
    ...{ target: '0 lost, 0 twice', met: missed === 0 && back.twice === 0 },
  }
}

async function headOf({ hub }: ParleyServer, contract_id: string, bearer: string): Promise<[number | undefined]> {
  const answer = await fetch(`${hub.url}/contracts/${contract_id}`, { headers: { authorization: `Bearer ${bearer}` } })
  const body = (await answer.json()) as { head?: number; seq?: number; room?: { seq: number } }
  return [body.head ?? body.seq ?? body.room?.seq]
}

async function startRedis(rig: Rig): Promise<string | undefined> {
  const port = await freePort()
  const child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const isThere = await new Promise<boolean>((resolve) => {
    child.once('error', () => resolve(false))
    child.stdout.on('data', (text: Buffer) => text.includes('Ready to accept') && resolve(true))
  })
  if (!isThere) return undefined
  rig.onClose(async () => {
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    await gone
  })
  return `redis://127.0.0.1:${port}`
}
