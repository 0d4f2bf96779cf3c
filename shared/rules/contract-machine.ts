import type { ContractState } from '../protocol/index.ts'
import type { Machine } from './machine.ts'

export type ContractMove = 'end'

export const contractMachine = { open: { end: 'ended' }, ended: {} } as const satisfies Machine<ContractState, ContractMove>
