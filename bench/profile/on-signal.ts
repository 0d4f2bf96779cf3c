// Loaded into a hub process by NODE_OPTIONS: SIGUSR2 begins a profile of its processor time, the next one ends it and writes it to the
// folder in PARLEY_BENCH_PROFILES.
import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'

/** Fine enough for functions of some microseconds, and seldom enough not to be what is measured. */
const EVERY_US = 500

const session = new Session()
session.connect()
let count = 0
let isOn = false

process.on('SIGUSR2', () => {
  isOn = !isOn
  void (isOn ? begin() : end())
})

async function begin(): Promise<void> {
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: EVERY_US })
  await session.post('Profiler.start')
}

async function end(): Promise<void> {
  const { profile } = await session.post('Profiler.stop')
  writeFileSync(`${process.env['PARLEY_BENCH_PROFILES']}/${process.pid}-${++count}.cpuprofile`, JSON.stringify(profile))
}
