import { ParleyError, type UserRole, type UserStatus } from '../../../shared/protocol/index.ts'
import { type Clock, isoTime } from '../../core/clock.ts'
import { type Asked, type Audit, recordThenAct } from '../../pipeline/audit.ts'
import { listPage, type PageQuery } from '../../pipeline/http/list-page.ts'
import type { Model, UserDocument } from './model.ts'

interface Patch {
  name?: string
  roles?: UserRole[]
  status?: Exclude<UserStatus, 'invited'>
}

/** What an operator sees of the users, and changes. */
export function createUserLife({
  model: { users },
  clock,
  audit,
  onChange,
}: {
  model: Model
  clock: Clock
  audit: Audit
  /** What the user's connections may do is another. */
  onChange(user_id: string): Promise<void>
}) {
  async function list(query: PageQuery & { status?: UserStatus }) {
    const filter = query.status === undefined ? {} : { status: query.status }
    const { rows, page } = await listPage(users, { filter, query, sorts: { created_at: '_id' } })
    return { items: rows.map(shownUser), page }
  }

  /**
   * Who is disabled loses every session in the same update, and every link that would open one. `asSeen`: only if the user still is as it was
   * read.
   */
  async function edit(user: UserDocument, patch: Patch, { asSeen, asked }: { asSeen: boolean; asked: Asked }): Promise<UserDocument> {
    const { name, roles, status } = patch
    // The hub is never without an admin, whoever disables whom at once: its own cannot be.
    const losesAdmin = status === 'disabled' || (roles !== undefined && !roles.includes('admin'))
    if (user.built_in === 'operator' && losesAdmin) throw new ParleyError('OPERATOR_KEPT', { user_id: user._id })
    const $set = {
      ...(name === undefined ? {} : { name }),
      ...(roles === undefined ? {} : { roles: [...new Set(roles)] }),
      ...(status === undefined ? {} : { status }),
    }
    if (Object.keys($set).length === 0) return user
    const change = { $set, ...(status === 'disabled' ? { $inc: { sessions_version: 1 } } : {}) }
    const draft = { type: 'user.updated' as const, ...asked, subject: { type: 'user', id: user._id }, metadata: $set }
    const seen = asSeen ? { name: user.name, roles: user.roles, status: user.status } : {}
    return recordThenAct(audit, draft, async () => {
      const edited = await users.findOneAndUpdate({ _id: user._id, ...seen }, change, { returnDocument: 'after' })
      if (edited === null) throw new ParleyError('PRECONDITION_FAILED')
      await onChange(edited._id)
      return edited
    })
  }

  /** Somebody forgot a password. Nothing tells whether there is such a user; an operator sees that it was asked. */
  async function askReset(email: string, asked: Asked): Promise<void> {
    const asking = { $set: { reset_asked_at: new Date(clock.now()) } }
    const user = await users.findOneAndUpdate({ email: email.toLowerCase(), status: 'active' }, asking)
    if (user !== null) audit.record({ type: 'user.reset_asked', ...asked, subject: { type: 'user', id: user._id } })
  }

  return { list, edit, askReset }
}

export type UserLife = ReturnType<typeof createUserLife>

export function shownUser({ _id, email, name, roles, status, created_at, reset_asked_at, built_in }: UserDocument) {
  return {
    ...{ user_id: _id, email, name, roles, status, created_at: isoTime(created_at.getTime()) },
    ...(reset_asked_at === undefined ? {} : { reset_asked_at: isoTime(reset_asked_at.getTime()) }),
    ...(built_in === undefined ? {} : { built_in }),
  }
}
