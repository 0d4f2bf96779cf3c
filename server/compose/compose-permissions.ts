import type { Connection } from 'mongoose'
import { v7 as uuidv7 } from 'uuid'
import type { SystemFrameType } from '../core/access/authorize.ts'
import type { Clock } from '../core/clock.ts'
import { createPermissionUses, createRefusalTeller, noteRefusal } from '../features/permissions/index.ts'
import type { Payload, RecordedCommand } from '../pipeline/command.ts'
import type { TurnedAway } from '../pipeline/door-watch.ts'

type AsSystem = <T extends SystemFrameType, F>(command: RecordedCommand<T, F>, frame: Payload<T>) => Promise<void>

export interface PermissionWatchDeps {
  connection: Connection
  clock: Clock
  onTrouble(what: string, cause: unknown): void
}

/** What becomes of permissions: counted beside the rooms, and told in them. The doors are there before the rooms are. */
export function composePermissions({ connection, clock, onTrouble }: PermissionWatchDeps) {
  let asSystem: AsSystem | undefined
  const uses = createPermissionUses({ connection, clock, onTrouble })
  const teller = createRefusalTeller({
    ...{ clock, newId: uuidv7, keep: uses.keep, onTrouble },
    record: async (frame) => asSystem?.(noteRefusal, frame),
  })
  return {
    uses,
    turnedAway(turned_away: TurnedAway): void {
      uses.turnedAway(turned_away)
      teller.turnedAway(turned_away)
    },
    /** The rooms are there. */
    bind(toRooms: AsSystem): void {
      asSystem = toRooms
    },
    /** Tells the rooms what is counted so far: they close. */
    tellRest: teller.close,
    close: uses.close,
  }
}

export type PermissionWatch = ReturnType<typeof composePermissions>
