import { flushCompileCache } from 'node:module'
import { composeHub } from './compose/compose-hub.ts'
import { createLogger } from './gateway/logger.ts'
import { ConfigError, readConfig } from './settings/config.ts'

// A hub that cannot drain in this time is stopped all the same: what was acknowledged is committed.
const DRAIN_MS = 15_000

try {
  const config = readConfig()
  const logEvent = createLogger({ level: config.log_level })
  for (const { name, nearest } of config.unknown ?? []) {
    const fix = `${nearest === undefined ? '' : `Is ${nearest} meant? `}README.md lists the settings; unset it if it is nobody's.`
    logEvent('warn', 'setting.unknown', { detail: `There is no setting ${name}, so it changes nothing.`, fix })
  }
  const hub = await composeHub({ config, logEvent })
  // Now and not at the end: this process may well be killed.
  flushCompileCache()
  let closing = false
  // Nothing rejects unseen; should it once, the hub says why before it ends, and its keeper starts it again.
  process.on('unhandledRejection', (error) => {
    logEvent('error', 'hub.fault', { error })
    process.exit(1)
  })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (closing) return
      closing = true
      setTimeout(() => process.exit(1), DRAIN_MS).unref()
      hub.close().then(
        () => process.exit(0),
        (error: unknown) => {
          logEvent('error', 'hub.close_failed', { error })
          process.exit(1)
        },
      )
    })
  }
} catch (error) {
  const message = [error instanceof Error ? error.message : String(error), fixOf(error)].join(' ').trim()
  const details = error instanceof ConfigError ? { faults: error.faults } : { name: error instanceof Error ? error.name : 'Error' }
  // One JSON line like every other of the log, and on stderr too, for the person who typed the command.
  console.log(JSON.stringify({ level: 'fatal', timestamp: new Date().toISOString(), event: 'hub.refused_to_start', message, details }))
  console.error(`parley: ${message}`)
  process.exit(1)
}

/** What a refusal to start says about its mending, the embedded database's own too. */
function fixOf(error: unknown): string {
  return error instanceof Error && 'fix' in error ? String(error.fix) : ''
}
