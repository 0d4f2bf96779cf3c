import { type Signal, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { RefusedError } from '../../../../sdk/index.ts'
import { api, toRefused } from '../../api.ts'

const PAGE = 50
// The hub gives no more at once.
const MOST_PER_PAGE = 200

interface Page<T> {
  items: T[]
  total: number
  next_cursor?: string
}

export interface Listed<T> {
  /** Undefined until the first answer. */
  items: readonly T[] | undefined
  total: number
  next_cursor: string | undefined
  error: RefusedError | undefined
  isLoading: boolean
}

export interface List<T> {
  listed: Signal<Listed<T>>
  /** Reads what is shown again; what is there stays until the answer comes. */
  reload(): Promise<void>
  more(): Promise<void>
}

/** A list of the hub, page by page. `path` with its filters; another path is another list. */
export function useList<T>(path: string): List<T> {
  const nothing: Listed<T> = { items: undefined, total: 0, next_cursor: undefined, error: undefined, isLoading: true }
  const listed = useSignal<Listed<T>>(nothing)
  // An answer to an older question must not overwrite that to a newer one.
  const asked = useRef(0)

  async function read({ limit, cursor }: { limit: number; cursor?: string }): Promise<void> {
    const mine = ++asked.current
    listed.value = { ...listed.peek(), isLoading: true }
    const query = `${path.includes('?') ? '&' : '?'}limit=${limit}${cursor === undefined ? '' : `&cursor=${cursor}`}`
    try {
      const { items, total, next_cursor } = await api<Page<T>>('GET', path + query)
      if (mine !== asked.current) return
      const before = cursor === undefined ? [] : (listed.peek().items ?? [])
      listed.value = { items: [...before, ...items], total, next_cursor, error: undefined, isLoading: false }
    } catch (thrown) {
      if (mine === asked.current) listed.value = { ...listed.peek(), error: toRefused(thrown), isLoading: false }
    }
  }

  const reload = () => read({ limit: Math.min(MOST_PER_PAGE, Math.max(PAGE, listed.peek().items?.length ?? 0)) })
  const more = async () => {
    const { next_cursor } = listed.peek()
    if (next_cursor !== undefined) await read({ limit: PAGE, cursor: next_cursor })
  }
  useEffect(() => {
    listed.value = nothing
    void reload()
    return () => {
      asked.current += 1
    }
  }, [path])
  return { listed, reload, more }
}
