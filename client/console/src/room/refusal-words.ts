import type { EventData } from '../../../../shared/protocol/index.ts'

const sides = {
  agent: 'its own permissions do',
  contract: 'the contract does',
  key: 'its key does',
} as const satisfies Record<EventData<'permission.refused'>['denied_by'], string>

/** Why an agent was refused something, behind a colon. */
export function lackText({ lacks, denied_by }: Pick<EventData<'permission.refused'>, 'lacks' | 'denied_by'>): string {
  return `${sides[denied_by]} not allow it (${lacks})`
}
