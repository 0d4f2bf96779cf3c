import { browserStorage, type OutboxEntry, type OutboxStorage } from '../../../sdk/storage.ts'
import { forget, kept, keptUnder } from '../kept.ts'

/** What a person wrote in this browser and the hub does not have. */
export interface LeftHere {
  /** On their way, or refused and kept for another try. */
  unsent: number
  drafts: number
}

/** Of all tabs: they keep it in one place. */
export function leftHere(user_id: string): LeftHere {
  const refused = keptUnder(`unsent.${user_id}.`).flatMap((name) => {
    const messages = kept(name)
    return Array.isArray(messages) ? messages : []
  })
  return { unsent: refused.length + outboxOf(user_id).length, drafts: keptUnder(`draft.${user_id}.`).length }
}

/** Others may use this browser next. */
export function removeLeftHere(user_id: string): void {
  for (const name of [...keptUnder(`unsent.${user_id}.`), ...keptUnder(`draft.${user_id}.`)]) forget(name)
  for (const { id } of outboxOf(user_id)) void storage()?.remove(id)
}

/** The sdk's outbox, of this hub and this user: it goes out with the next connection. */
function outboxOf(user_id: string): OutboxEntry[] {
  const entries = storage()?.load() as OutboxEntry[] | undefined
  return (entries ?? []).filter(({ owner }) => owner === `${location.origin} ${user_id}`)
}

/** Undefined where the page may keep nothing. Its answers are at once: the sdk allows for others that are not. */
function storage(): OutboxStorage | undefined {
  try {
    return browserStorage(localStorage)
  } catch {
    return undefined
  }
}
