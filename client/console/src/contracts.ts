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
  last_activity_at: string
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
/** Counts those whose list this was: an answer to an earlier one is nobody's. */
let generation = 0

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
  generation += 1
  contracts.value = nothingYet
}

async function read({ offset, limit }: { offset: number; limit: number }): Promise<void> {
  contracts.value = { ...contracts.peek(), isLoading: true }
  const asker = generation
  try {
    const page = await api<ContractsPage>('GET', `/contracts?sort_by=last_activity_at&limit=${limit}&offset=${offset}`)
    if (asker !== generation) return
    learnNames(page.items.flatMap(({ parties }) => parties))
    // The hub is some seconds late; what was seen here is newer.
    const all = merged(contracts.peek().items ?? [], page.items)
    // A page that holds the whole list also says which rooms one may not see any more.
    const seen = new Set(page.items.map(({ contract_id }) => contract_id))
    const isWhole = offset === 0 && page.items.length >= page.total
    const items = inOrder(isWhole ? all.filter(({ contract_id }) => seen.has(contract_id)) : all)
    contracts.value = { items, total: page.total, at: Date.now(), error: undefined, isLoading: false }
  } catch (thrown) {
    if (asker === generation) contracts.value = { ...contracts.peek(), error: toRefused(thrown), isLoading: false }
  }
}

/** Something happened in a room that is open here: it comes first at once, and not when the list is read again. */
export function noteActivity(contract_id: string, at: string): void {
  const { items, ...rest } = contracts.peek()
  const known = items?.find((item) => item.contract_id === contract_id)
  if (items === undefined || known === undefined || known.last_activity_at >= at) return
  const moved = items.map((item) => (item === known ? { ...item, last_activity_at: at } : item))
  contracts.value = { ...rest, items: inOrder(moved) }
}

/** By id: a contract that moves between two pages must not be shown twice. */
function merged(old: readonly Contract[], news: readonly Contract[]): Contract[] {
  const byId = new Map(old.map((contract) => [contract.contract_id, contract]))
  for (const contract of news) {
    const seen_at = byId.get(contract.contract_id)?.last_activity_at ?? ''
    byId.set(contract.contract_id, seen_at > contract.last_activity_at ? { ...contract, last_activity_at: seen_at } : contract)
  }
  return [...byId.values()]
}

/** The last activity first. ISO times of one zone sort as text; ids, by the time that they were made, decide between equals. */
function inOrder(items: readonly Contract[]): Contract[] {
  const key = ({ last_activity_at, contract_id }: Contract) => last_activity_at + contract_id
  return items.toSorted((a, b) => (key(a) < key(b) ? 1 : -1))
}
