import { signal } from '@preact/signals'
import type { ContractState } from '../../../shared/protocol/index.ts'
import type { RefusedError } from '../../sdk/index.ts'
import { api, toRefused } from './api.ts'
import { learnNames } from './names.ts'

export interface Contract {
  contract_id: string
  title: string
  state: ContractState
  requester_id: string
  provider_id: string
  parties: { id: string; kind: 'user' | 'agent'; name: string }[]
  opened_at: string
  ended_at?: string
  outcome?: string
}

interface ContractsPage {
  items: Contract[]
  total: number
}

const PAGE = 50
// The hub gives no more at once.
const MOST_PER_PAGE = 200

export interface ContractList {
  /** Undefined until the first answer. */
  items: readonly Contract[] | undefined
  total: number
  /** When `items` were read, in milliseconds since 1970. */
  at: number
  error: RefusedError | undefined
  isLoading: boolean
}

const nothingYet: ContractList = { items: undefined, total: 0, at: 0, error: undefined, isLoading: false }
export const contracts = signal<ContractList>(nothingYet)

/** A question that is under way answers for those asked meanwhile, once more after it. */
let underWay: Promise<void> | undefined
let isAskedAgain = false

/** Reads what is shown again. What is there stays until the answer comes, and when none comes. */
export function refreshContracts(): Promise<void> {
  if (underWay !== undefined) {
    isAskedAgain = true
    return underWay
  }
  underWay = read({ offset: 0, limit: Math.min(MOST_PER_PAGE, Math.max(PAGE, contracts.peek().items?.length ?? 0)) }).finally(() => {
    underWay = undefined
    if (!isAskedAgain) return
    isAskedAgain = false
    void refreshContracts()
  })
  return underWay
}

export async function moreContracts(): Promise<void> {
  if (contracts.peek().isLoading) return
  await read({ offset: contracts.peek().items?.length ?? 0, limit: PAGE })
}

export function forgetContracts(): void {
  contracts.value = nothingYet
}

async function read({ offset, limit }: { offset: number; limit: number }): Promise<void> {
  contracts.value = { ...contracts.peek(), isLoading: true }
  try {
    const page = await api<ContractsPage>('GET', `/contracts?limit=${limit}&offset=${offset}`)
    learnNames(page.items.flatMap(({ parties }) => parties))
    const items = merged(contracts.peek().items ?? [], page.items)
    contracts.value = { items, total: page.total, at: Date.now(), error: undefined, isLoading: false }
  } catch (thrown) {
    contracts.value = { ...contracts.peek(), error: toRefused(thrown), isLoading: false }
  }
}

/** By id, newest first: a contract opened between two pages moves the rest by one, and must not be shown twice. */
function merged(old: readonly Contract[], news: readonly Contract[]): Contract[] {
  const byId = new Map([...old, ...news].map((contract) => [contract.contract_id, contract]))
  return [...byId.values()].sort((a, b) => (a.contract_id < b.contract_id ? 1 : -1))
}
