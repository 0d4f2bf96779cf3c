import { createHmac, hash } from 'node:crypto'
import { join } from 'node:path'
import { deriveKey } from '../core/secrets/derive-key.ts'
import { StartRefusal } from '../core/start-refusal.ts'
import type { LogEvent } from '../gateway/logger.ts'
import { hubSecretFile, operatorTokenFile } from './data-directory.ts'
import type { RunningHub } from './running-hubs.ts'

/**
 * Warns, once, of another hub on the same database without a Redis between the two: their members hear of each other late, and never see
 * who is there. That is allowed, for a short while when one takes the other's place, and seldom meant.
 */
export function createBesideWarning(logEvent: LogEvent) {
  let isTold = false

  function warn(detail: string, fix: string): void {
    if (isTold) return
    isTold = true
    logEvent('warn', 'hub.beside_another', { detail, fix })
  }

  return {
    onDirectory({ url, pid }: RunningHub): void {
      const fix = 'Set one REDIS_URL on both, or give this one a PARLEY_DATA_DIR of its own.'
      warn(`${url} (process ${pid}) works on the same data directory.`, fix)
    },
    onDatabase(other: string): void {
      const fix = 'Set one REDIS_URL on both, or name a database of its own in the MONGODB_URI of one of them.'
      warn(`${other} works on the same database.`, fix)
    },
  }
}

/** Tells two operator's tokens apart for whoever has the hub's secret, and nothing to who has the database alone. */
export function operatorMark({ secret, operator_token }: { secret: string; operator_token: string }): string {
  return createHmac('sha256', deriveKey(secret, 'operator-mark/1')).update(operator_token).digest('hex').slice(0, 16)
}

/**
 * Warns, once, of a hub on the same database that takes another operator's token, with a Redis between the two or without: the operator would
 * be let in by one and turned away by the other, as the proxy has it. Hubs of one secret only: with another one this hub did not start.
 */
export function createTokenWarning({ logEvent, operator_mark, data_dir }: { logEvent: LogEvent; operator_mark: string; data_dir: string }) {
  let isTold = false

  return (other: { owner: string; operator_mark?: string }): void => {
    // A hub of before leaves no mark.
    if (isTold || other.operator_mark === undefined || other.operator_mark === operator_mark) return
    isTold = true
    const detail = `${other.owner} works on the same database, and takes another operator's token.`
    const fix = `Give both one PARLEY_OPERATOR_TOKEN, or copy its file \`operator.token\` to ${join(data_dir, operatorTokenFile.name)}, and start this one again.`
    logEvent('warn', 'hub.operator_token_differs', { detail, fix })
  }
}

/** Where the marks lie. The one of before was a bare hash of the secret: a secret that people made up could be guessed by it, a hash a guess. */
const MARK = 'secret_mark/2'
const BARE_MARK = 'secret_mark'

/** Rows of the database that stay as the first hub on it wrote them. */
export interface Constants {
  /** The value under the name: this one, if there was none. */
  keep(name: string, value: string): Promise<string>
  find(name: string): Promise<string | undefined>
  remove(name: string): Promise<void>
}

/**
 * The first hub on a database leaves a mark of its secret there. With another one every key, password link and session would be wrong,
 * and nobody would know why: throws StartRefusal.
 */
export async function refuseForeignSecret({ secret, data_dir, constants }: { secret: string; data_dir: string; constants: Constants }) {
  const bare = await constants.find(BARE_MARK)
  const isKnown = bare === undefined || bare === hash('sha256', `parley secret mark ${secret}`, 'hex').slice(0, 16)
  const mark = createHmac('sha256', deriveKey(secret, 'secret-mark/2')).digest('hex')
  if (!isKnown || (await constants.keep(MARK, mark)) !== mark) {
    throw new StartRefusal(
      "The secret is not the one that this database's keys were made under: it belongs to another hub, or the secret was lost.",
      `To join that hub, copy its file \`secret\` to ${join(data_dir, hubSecretFile.name)} or give both one PARLEY_SECRET. If it was lost, restore it from a backup. Or name another database in MONGODB_URI.`,
    )
  }
  if (bare !== undefined) await constants.remove(BARE_MARK)
}

/** Of several hubs on one database the one whose clock is ahead ends what is not due, and none of them can tell by itself. */
export function clockWarning(logEvent: LogEvent) {
  return {
    onOff: (ahead_ms: number) =>
      logEvent('warn', 'clock.off', {
        ahead_ms,
        detail: `The clock of this machine is ${Math.abs(ahead_ms)} ms ${ahead_ms > 0 ? 'ahead of' : 'behind'} that of the database.`,
        fix: 'Have the clocks of both machines set by NTP. Deadlines and expiries come too early or too late until then.',
      }),
    onRight: () => logEvent('info', 'clock.right', {}),
  }
}
