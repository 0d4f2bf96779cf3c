import { v7 as uuidv7 } from 'uuid'
import { ParleyError, type UserRole } from '../../../shared/protocol/index.ts'
import type { Principal } from '../../core/access/principal.ts'
import type { Clock } from '../../core/clock.ts'
import { isDuplicateKey } from '../../core/duplicate-key.ts'
import { type Asked, type Audit, recordThenAct } from '../../pipeline/audit.ts'
import { createBatchedReads } from '../../pipeline/store/batched-reads.ts'
import type { Model, UserDocument } from './model.ts'
import type { Secrets } from './secrets.ts'

interface NewUser {
  email: string
  name: string
  roles: UserRole[]
}

const OPERATOR = { name: 'Operator', email: 'operator@parley.invalid', roles: ['admin'], status: 'active' } satisfies Partial<UserDocument>
const OPERATOR_TRIES = 5

export interface PeopleDeps {
  model: Model
  secrets: Secrets
  clock: Clock
  audit: Audit
  /** The agents that users own, by the user. */
  agentsOf(user_ids: string[]): Promise<ReadonlyMap<string, readonly { _id: string }[]>>
}

/** The users themselves: makes them, finds them, and says as whom each acts. */
export function createPeople({ model: { users }, secrets, clock, audit, agentsOf }: PeopleDeps) {
  /** A second try with the same id, after one that was cut off, finds the user that it made. */
  async function create(_id: string, { password, ...given }: NewUser & { password: string }, asked: Asked): Promise<UserDocument> {
    const before = await users.findOne({ _id, email: known(given).email })
    if (before !== null) return before
    const password_hash = await secrets.hashPassword(password)
    return insert({ ...blank(), _id, ...known(given), status: 'active', password_hash }, { type: 'user.created', asked })
  }

  /** Makes a user that may set a password by an invitation. Who is invited again gets what is said then, and the invitation before is spent. */
  async function invite(_id: string, given: NewUser, asked: Asked): Promise<UserDocument> {
    const { email, ...said } = known(given)
    const invited = await users.findOne({ email, status: 'invited' })
    if (invited === null) return insert({ ...blank(), _id, email, ...said, status: 'invited' }, { type: 'user.invited', asked })
    const draft = {
      type: 'user.invited' as const,
      ...asked,
      subject: { type: 'user', id: invited._id },
      metadata: { ...said, again: true },
    }
    const again = { $set: said, $inc: { sessions_version: 1 } }
    const found = await recordThenAct(audit, draft, () =>
      users.findOneAndUpdate({ _id: invited._id, status: 'invited' }, again, { returnDocument: 'after' }),
    )
    return found ?? refuse(taken())
  }

  async function insert(
    user: UserDocument,
    { type, asked }: { type: 'user.created' | 'user.invited'; asked: Asked },
  ): Promise<UserDocument> {
    const { _id, name, roles } = user
    await recordThenAct(audit, { type, ...asked, subject: { type: 'user', id: _id }, metadata: { name, roles } }, async () => {
      await users.insertOne(user).catch((cause: unknown) => {
        throw isDuplicateKey(cause) ? taken(cause) : cause
      })
    })
    return user
  }

  const blank = () => ({ _id: uuidv7({ msecs: clock.now() }), created_at: new Date(clock.now()), sessions_version: 1 })

  /** Makes the operator's user if there is none. Of several hubs that start at once, one makes it and all find it. */
  async function ensureOperator(tries = OPERATOR_TRIES): Promise<void> {
    if ((await users.findOne({ built_in: 'operator' })) !== null) return
    try {
      await users.insertOne({ ...blank(), ...OPERATOR, built_in: 'operator' })
    } catch (cause) {
      // Another hub was first, and the store says so as a duplicate, or (FerretDB) as a deadlock: look again.
      if (tries <= 1) throw cause
      await ensureOperator(tries - 1)
    }
  }

  /** The user as whom the operator's token acts. */
  async function operator(): Promise<UserDocument> {
    return (await users.findOne({ built_in: 'operator' })) ?? refuse(new Error('the operator has no user: identity was not started'))
  }

  /** A user and what it acts as. Reads the store each time: a role that was taken must not live on in a cache. */
  async function acting(id: string): Promise<{ user: UserDocument; principal: Principal } | undefined> {
    const { user, owns } = (await readActing(id)) ?? {}
    return user && { user, principal: { kind: 'user', id, name: user.name, roles: user.roles, owns: owns ?? [] } }
  }

  // Everyone comes back at once when a hub was away.
  const readActing = createBatchedReads(async (ids) => {
    const [rows, owned] = await Promise.all([find(ids), agentsOf(ids)])
    return new Map(rows.map((user) => [user._id, { user, owns: (owned.get(user._id) ?? []).map(({ _id }) => _id) }]))
  })

  /** Throws NOT_FOUND for an id that is none, too. */
  async function get(id: string): Promise<UserDocument> {
    return (await users.findOne({ _id: id })) ?? refuse(new ParleyError('NOT_FOUND'))
  }

  const find = (ids: string[]): Promise<UserDocument[]> => users.find({ _id: { $in: ids } }).toArray()

  return { create, invite, ensureOperator, operator, acting, get, find }
}

export type People = ReturnType<typeof createPeople>

function known({ email, name, roles }: NewUser) {
  return { email: email.toLowerCase(), name, roles: [...new Set(roles)] }
}

function taken(cause?: unknown): ParleyError {
  return new ParleyError('ALREADY_EXISTS', { errors: [{ pointer: '/email', detail: 'a user has this address' }] }, { cause })
}

function refuse(error: Error): never {
  throw error
}
