// Many clients at work on one hub for some minutes: `npm run soak -- --minutes 10 --clients 500`. Exits with 1 when the hub's memory grows.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { HOT_TAIL } from '../../../server/pipeline/log/stream.ts'
import { api, openContract, registerAgent, signUp } from '../../harness/people.ts'
import { freePort, type HubProcess, startHubProcess } from '../../harness/processes/hub-process.ts'
import { machine } from '../report.ts'
import { criteria, growthOf, type Sample } from './growth.ts'
import type { SoakCounts, SoakSpec } from './soak-clients.ts'

const CLIENTS_A_ROOM = 10
const SAMPLES = 60
const LEAST_PAUSE_MS = 2_000
const COLLECT_MS = 300
const MANY = 1_000_000
const PARLEY_LIMITS = JSON.stringify({ frames_per_s: MANY, frames_burst: MANY, principal_frames_per_s: MANY, room_frames_per_s: MANY })
const MB = 1024 * 1024

const { minutes, clients } = readArguments()
const data_dir = await mkdtemp(join(tmpdir(), 'parley-soak-'))
const hook = fileURLToPath(new URL('../collect-on-signal.ts', import.meta.url))
const hub = await startHubProcess({ data_dir, port: await freePort(), env: { PARLEY_LIMITS, NODE_OPTIONS: `--import=${hook}` } })
const generator = fork(fileURLToPath(new URL('soak-clients.ts', import.meta.url)))
try {
  console.log(`Soak: ${clients} clients for ${minutes} minutes; ${machine()}`)
  generator.send(await prepare())
  await once(generator, 'message')
  console.log('minute  heap, MB  resident, MB  (heap: behind a collection of garbage)')
  const samples = await watch()
  report(samples, await countsOf(generator))
} finally {
  generator.disconnect()
  await hub.stop()
  await rm(data_dir, { recursive: true, force: true })
}

async function prepare(): Promise<SoakSpec> {
  const requester = await signUp(hub)
  const rooms: SoakSpec['rooms'] = []
  while (rooms.length * CLIENTS_A_ROOM < clients) {
    const provider = await registerAgent(hub)
    const { contract_id } = await openContract(hub, { requester, provider })
    rooms.push({ contract_id, agent_key: provider.bearer, filling: 0 })
  }
  // A hub keeps one to two hot tails of a busy room and cuts them in blocks: full at the start, each at another point between two cuts,
  // or all rooms would fill together and look like growth.
  for (const [at, room] of rooms.entries()) room.filling = 2 * HOT_TAIL + Math.ceil(((at + 1) * HOT_TAIL) / rooms.length)
  return { url: hub.url, token: hub.operator_token, rooms, clients }
}

async function watch(): Promise<Sample[]> {
  const samples: Sample[] = []
  const began = performance.now()
  const pause_ms = Math.max(LEAST_PAUSE_MS, (minutes * 60_000) / SAMPLES)
  while (performance.now() - began < minutes * 60_000) {
    await delay(pause_ms)
    const sample = { minute: (performance.now() - began) / 60_000, ...(await measure(hub)) }
    samples.push(sample)
    console.log(
      [sample.minute.toFixed(1).padStart(6), sample.heap_mb.toFixed(1).padStart(9), sample.rss_mb.toFixed(1).padStart(13)].join(' '),
    )
  }
  return samples
}

async function measure({ pid, url }: HubProcess): Promise<Omit<Sample, 'minute'>> {
  process.kill(pid, 'SIGUSR2')
  await delay(COLLECT_MS)
  const { body } = await api<string>({ url, operator_token: '' }, 'GET', '/metrics')
  const read = (name: string) => Number(new RegExp(`^parley_${name} (\\S+)`, 'm').exec(body)?.[1]) / MB
  return { heap_mb: read('nodejs_heap_size_used_bytes'), rss_mb: read('process_resident_memory_bytes') }
}

function report(samples: readonly Sample[], counts: SoakCounts): void {
  console.log(`\n${JSON.stringify(counts)}`)
  for (const [what, name] of [
    ['heap_mb', 'heap'],
    ['rss_mb', 'resident'],
  ] as const) {
    const { first_mb, last_mb, mb_per_minute, grows } = growthOf(samples, what)
    const { share, mb } = criteria[what]
    console.log(
      `${name}: median of the first third ${first_mb.toFixed(1)} MB, of the last ${last_mb.toFixed(1)} MB, slope ${mb_per_minute.toFixed(2)} MB a minute: ` +
        `${grows ? 'GROWS' : 'does not grow'} (more than ${share * 100} % and ${mb} MB would be growth)`,
    )
    if (grows) process.exitCode = 1
  }
  if (hub.log.some((line) => /"level":"(error|fatal)"/.test(line))) {
    console.log('FAILED: the hub logged faults of its own')
    process.exitCode = 1
  }
}

async function countsOf(child: ChildProcess): Promise<SoakCounts> {
  child.send('counts')
  const [counts] = (await once(child, 'message')) as [SoakCounts]
  return counts
}

function readArguments(): { minutes: number; clients: number } {
  const { values } = parseArgs({ options: { minutes: { type: 'string' }, clients: { type: 'string' } } })
  const [minutes, clients] = [Number(values.minutes ?? 10), Number(values.clients ?? 500)]
  if (minutes > 0 && minutes <= 60 && clients >= 2 * CLIENTS_A_ROOM && clients <= 2_000) return { minutes, clients }
  console.error('soak: --minutes is at most 60, --clients from 20 to 2000')
  process.exit(2)
}
