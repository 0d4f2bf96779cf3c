import { api, openContract, type Person, signUp } from '../../test/harness/people.ts'
import type { MemberSpec } from '../member.ts'
import { profilingOf, underProfiler } from '../profile/profiled.ts'
import type { ParleyServer, Rig, Server } from '../rig.ts'
import { growthLine, type Line, type Plan, type Spread, spread } from '../rounds.ts'

const BODY = 'The quick brown fox jumps over the lazy dog and files the report before noon. '.repeat(2).slice(0, 150)
const MISSED = 10_000

/** B3: a client that was away gets what it missed; and many at once do. */
export async function resume(rig: Rig, plan: Plan): Promise<Line[]> {
  const [parley, bare] = [await rig.parley(profilingOf(rig, plan)), await rig.serve('bare-socket-io', { RECOVERY: '1' })]
  const requester = await signUp(parley.hub)
  const points: { size: number; cost: number }[] = []
  const lines: Line[] = []
  for (const missed of plan.quick ? [1_000, 2_000] : [1_000, MISSED, 20_000]) {
    const rounds = await catchUps(rig, plan, { parley, bare, requester, missed })
    lines.push(catchUpLine(missed, rounds))
    points.push({ size: missed, cost: spread(rounds.map(({ ours_ms }) => ours_ms)).median })
  }
  lines.push(growthLine({ row: 'B3', work: 'catch up: time by missed events', outstanding: '–', name: 'Parley', unit: 'ms' }, points))
  lines.push(await storm(rig, plan, { parley, bare, requester, clients: plan.quick ? 300 : 5_000 }))
  await parley.stop()
  await bare.stop()
  return lines
}

interface CatchUpRound {
  ours_ms: number
  theirs_ms: number
  lost: { ours: number; theirs: number }
}

async function catchUps(
  rig: Rig,
  plan: Plan,
  { parley, bare, requester, missed }: { parley: ParleyServer; bare: Server; requester: Person; missed: number },
): Promise<CatchUpRound[]> {
  const { generator } = rig
  const contract_id = await filledRoom(rig, parley, requester, missed)
  const rounds: CatchUpRound[] = []
  for (let round = 0; round < plan.rounds; round++) {
    const ours = await generator.do('gather', [{ dialect: 'parley', port: parley.port, room: contract_id, auth: requester.auth, since: 1 }])
    await generator.do('scatter', undefined as never)
    const room = `away ${missed} ${round}`
    const away = await leave(rig, bare, [room])
    await flood(rig, bare, room, missed)
    const at = performance.now()
    await generator.do('gather', away)
    const theirs = await generator.do('hear', { deliveries: missed, ms: 5_000 })
    const theirs_ms = performance.now() - at
    await generator.do('scatter', undefined as never)
    rounds.push({ ours_ms: ours.ms, theirs_ms, lost: { ours: missed - ours.deliveries, theirs: missed - theirs.deliveries } })
  }
  return rounds
}

function catchUpLine(missed: number, rounds: CatchUpRound[]): Line {
  const rate = (ms: (round: CatchUpRound) => number): Spread => spread(rounds.map((round) => (missed * 1_000) / ms(round)))
  const ours = rate(({ ours_ms }) => ours_ms)
  const lost = (of: 'ours' | 'theirs') => rounds.reduce((sum, round) => sum + round.lost[of], 0)
  return {
    ...{ row: 'B3', work: `catch up ${missed} missed events, from the database`, outstanding: '–', unit: 'events/s' },
    candidate: { name: 'Parley', value: ours },
    baseline: { name: 'Socket.IO state recovery', value: rate(({ theirs_ms }) => theirs_ms) },
    wall: spread(rounds.map(({ ours_ms, theirs_ms }) => theirs_ms / ours_ms)),
    note: `lost: Parley ${lost('ours')}, recovery ${lost('theirs')}; recovery reads the memory of one process, which ends with it`,
    ...(missed === MISSED ? { target: '≥ 120,000 events/s', met: ours.median >= 120_000 } : {}),
  }
}

/** Everybody comes back at once, 100 events behind. */
async function storm(
  rig: Rig,
  { profiles }: Plan,
  { parley, bare, requester, clients }: { parley: ParleyServer; bare: Server; requester: Person; clients: number },
): Promise<Line> {
  const { generator } = rig
  const behind = 100
  const rooms = Math.ceil(clients / 50)
  const specs: MemberSpec[] = []
  for (let n = 0; n < rooms; n++) {
    const room = await filledRoom(rig, parley, requester, behind)
    for (let at = 0; at < 50 && specs.length < clients; at++)
      specs.push({ dialect: 'parley', port: parley.port, room, auth: requester.auth, since: 1 })
  }
  const ours = await generator.do('gather', specs)
  await generator.do('scatter', undefined as never)
  const again = async () => generator.do('gather', specs).then(() => clients)
  const about = { row: 'B3', work: 'everyone comes back at once', outstanding: 'all', unit: 'client', run: again }
  profiles?.push(await underProfiler(rig, parley.hub.pid, about))
  if (profiles !== undefined) await generator.do('scatter', undefined as never)
  const names = Array.from({ length: rooms }, (_, n) => `storm ${n}`)
  const away = await leave(
    rig,
    bare,
    specs.map((_, at) => names[at % rooms] ?? ''),
  )
  for (const name of names) await flood(rig, bare, name, behind)
  const at = performance.now()
  await generator.do('gather', away)
  const heard = await generator.do('hear', { deliveries: behind * clients, ms: 10_000 })
  const theirs_ms = performance.now() - at
  await generator.do('scatter', undefined as never)
  const lost = { ours: behind * clients - ours.deliveries, theirs: behind * clients - heard.deliveries }
  return {
    ...{
      row: 'B3',
      work: `${clients} clients come back at once, ${behind} events behind`,
      outstanding: '–',
      unit: 'ms until all are live',
    },
    candidate: { name: 'Parley', value: spread([ours.ms]) },
    baseline: { name: 'Socket.IO state recovery', value: spread([theirs_ms]) },
    wall: spread([theirs_ms / ours.ms]),
    note: `lost: Parley ${lost.ours}, recovery ${lost.theirs}; twice ${ours.twice}; one round`,
    ...{ target: '≤ 5 s', met: ours.ms <= 5_000 && lost.ours === 0 },
  }
}

/** Clients that were in their rooms and lost the connection: what they need to come back. */
async function leave({ generator }: Rig, { port }: Server, rooms: string[]): Promise<MemberSpec[]> {
  await generator.do(
    'gather',
    rooms.map((room) => ({ dialect: 'socket.io' as const, port, room })),
  )
  for (const room of new Set(rooms))
    await generator.do('ask', { at: rooms.indexOf(room), type: 'flood', payload: { room, count: 1, body: 'first' } })
  await generator.do('hear', { deliveries: rooms.length, ms: 5_000 })
  const left = await generator.do('scatter', undefined as never)
  await new Promise((resolve) => setTimeout(resolve, 200))
  return left.map(({ pid, offset }, at) => ({ dialect: 'socket.io', port, room: rooms[at] ?? '', recovery: { pid, offset } }))
}

async function flood({ generator }: Rig, { port }: Server, room: string, count: number): Promise<void> {
  const before = await generator.do('gather', [{ dialect: 'socket.io', port, room: 'nobody' }])
  if (before.deliveries > 0) throw new Error('the flood was heard by its sender')
  await generator.do('ask', { at: 0, type: 'flood', payload: { room, count, body: BODY } })
  await generator.do('scatter', undefined as never)
}

async function filledRoom({ generator }: Rig, { hub, port, pids }: ParleyServer, requester: Person, events: number): Promise<string> {
  const provider = await providerOf(hub)
  const { contract_id } = await openContract(hub, { requester, provider })
  const name = `fill ${contract_id}`
  await generator.do('open', { name, pids, rooms: [{ members: [{ dialect: 'parley', port, room: contract_id, auth: requester.auth }] }] })
  const count = events
  await generator.do('load', { lane: name, kind: 'post', outstanding: 200, warm_ms: 0, ms: 0, count })
  await generator.do('close', { name })
  return contract_id
}

const providers = new Map<string, Person>()

async function providerOf(hub: { url: string; operator_token: string }): Promise<Person> {
  const known = providers.get(hub.url)
  if (known !== undefined) return known
  const { body } = await api<{ agent_id: string; api_key: string }>(hub, 'POST', '/agents', { body: { name: 'Filler' } })
  const made = { id: body.agent_id, auth: { key: body.api_key }, bearer: body.api_key }
  providers.set(hub.url, made)
  return made
}
