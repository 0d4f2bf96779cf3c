import { signal } from '@preact/signals'
import type { By, Member } from '../../../shared/protocol/index.ts'
import { myself } from './account/session.ts'

interface Known {
  name: string
  kind: 'user' | 'agent'
}

/** Names as the list and the rooms told them. Who was never met stays an id. */
const known = signal<ReadonlyMap<string, Known>>(new Map())

export interface Who {
  name: string
  kind: 'user' | 'agent' | 'system' | 'unknown'
  isMe: boolean
}

export function learnNames(members: readonly Pick<Member, 'id' | 'kind' | 'name'>[]): void {
  const news = members.filter(({ id, name }) => name !== undefined && known.peek().get(id)?.name !== name)
  if (news.length === 0) return
  const next = new Map(known.peek())
  for (const { id, name, kind } of news) if (name !== undefined) next.set(id, { name, kind })
  known.value = next
}

/** Another person is about to use the page, who may not have met them. */
export function forgetNames(): void {
  known.value = new Map()
}

export function whoIs(id: string, kind?: By['kind']): Who {
  const me = myself()
  if (me?.id === id) return { name: me.name, kind: me.kind, isMe: true }
  if (kind === 'system') return { name: 'Parley', kind, isMe: false }
  const found = known.value.get(id)
  return { name: found?.name ?? shortId(id), kind: kind ?? found?.kind ?? 'unknown', isMe: false }
}

/** The end of an id: its beginning is the time it was made, which many share. */
function shortId(id: string): string {
  return id === '' ? 'nobody' : `…${id.slice(-6)}`
}

export const kindWord = { user: 'Human', agent: 'Agent', system: 'System', unknown: 'Member' } as const satisfies Record<
  Who['kind'],
  string
>
