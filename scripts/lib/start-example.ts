import { setTimeout as delay } from 'node:timers/promises'
import { describeEnding, quoteLog, timed } from './say.ts'
import type { Child } from './start-child.ts'
import { aborted, type Run, startProgram } from './start-program.ts'

const READY_WITHIN_MS = 60_000

/** The example is a guest: when it fails we say so, and the hub goes on without it. */
export async function startExample(run: Run, token: string): Promise<void> {
  const agent = await startProgram(run, {
    name: 'docs-desk',
    script: 'examples/docs-desk/main.ts',
    env: { PARLEY_OPERATOR_TOKEN: token },
    reads: true,
  })
  const fault = await timed('Starting the example agent docs-desk', async () => {
    const late = delay(READY_WITHIN_MS, 'late' as const, { ref: false })
    const answer = await Promise.race([readyLine(agent), agent.ended, late, aborted(run.stopped)])
    if (answer === 'ready') return null
    return answer === 'late' ? `was not ready within ${READY_WITHIN_MS / 1000} s` : `ended (${describeEnding(answer)})`
  })
  if (fault !== null) console.error(`The example agent ${fault}; the hub goes on without it.\n${quoteLog(agent.logFile)}`)
  void agent.ended.then((ending) => {
    if (fault === null && !run.stopped.aborted)
      console.error(`The example agent ended (${describeEnding(ending)}); the hub goes on. Log: ${agent.logFile}`)
  })
}

function readyLine(agent: Child): Promise<'ready'> {
  return new Promise((resolve) => {
    agent.onLine((line) => {
      if (/"ready"\s*:\s*true/.test(line)) resolve('ready')
    })
  })
}
