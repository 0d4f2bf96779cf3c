import { setTimeout as delay } from 'node:timers/promises'
import { describeEnding, quoteLog, timed } from '../say.ts'
import type { Child } from './start-child.ts'
import { aborted, type Run, startProgram } from './start-program.ts'

const READY_WITHIN_MS = 60_000

/** The example is a guest: when it fails we say so, and the hub goes on without it. Resolves to what it is doing. */
export async function startExample(run: Run, { url, token }: { url: string; token: string }): Promise<{ isAtWork(): boolean }> {
  const agent = await startProgram(run, {
    name: 'docs-desk',
    script: 'examples/docs-desk/main.ts',
    env: { PARLEY_URL: url, PARLEY_OPERATOR_TOKEN: token },
    reads: true,
  })
  let isReady = false
  const ready = readyLine(agent).then(() => {
    isReady = true
    return 'ready' as const
  })
  const answer = await timed('Starting the example agent docs-desk', () => {
    const late = delay(READY_WITHIN_MS, 'late' as const, { ref: false })
    return Promise.race([ready, agent.ended, late, aborted(run.stopped)])
  })
  if (answer === 'late') {
    console.error(
      `The example agent was not ready within ${READY_WITHIN_MS / 1000} s; the hub goes on without it.\n${quoteLog(agent.logFile)}`,
    )
  }
  void agent.ended.then((ending) => {
    if (!run.stopped.aborted)
      console.error(`The example agent ended (${describeEnding(ending)}); the hub goes on without it.\n${quoteLog(agent.logFile)}`)
  })
  return { isAtWork: () => isReady && !agent.hasEnded() }
}

function readyLine(agent: Child): Promise<void> {
  return new Promise((resolve) => {
    agent.onLine((line) => {
      if (/"ready"\s*:\s*true/.test(line)) resolve()
    })
  })
}
