import { v7 as uuidv7 } from 'uuid'
import { ParleyError, type UserRole } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import type { Principal } from '../../core/principal.ts'
import { type Asked, type Audit, recordThenAct } from '../../pipeline/audit.ts'
import { isDuplicateKey, type Model, type UserDocument } from './model.ts'
import type { Secrets } from './secrets.ts'

const OPERATOR = { name: 'Operator', email: 'operator@parley.invalid', roles: ['admin'] } satisfies Partial<UserDocument>
const OPERATOR_TRIES = 5

/** The users themselves: makes them, finds them, and says as whom each acts. */
export function createPeople({
  model: { users },
  secrets,
  clock,
  audit,
  agentsOf,
}: {
  model: Model
  secrets: Secrets
  clock: Clock
  audit: Audit
  /** The agents that a user owns. */
  agentsOf(user_id: string): Promise<string[]>
}) {
  let operator_id: string | undefined

  const now = () => new Date(clock.now())

  async function create(
    { email, name, password, roles }: { email: string; name: string; password: string; roles: UserRole[] },
    asked: Asked,
  ) {
    const user: UserDocument = {
      _id: uuidv7({ msecs: clock.now() }),
      email: email.toLowerCase(),
      name,
      roles: [...new Set(roles)],
      created_at: now(),
      password_hash: await secrets.hashPassword(password),
    }
    const subject = { type: 'user', id: user._id }
    await recordThenAct(audit, { type: 'user.created', ...asked, subject, metadata: { name, roles: user.roles } }, () => insert(user))
    return { user_id: user._id }
  }

  async function insert(user: UserDocument): Promise<void> {
    try {
      await users.insertOne(user)
    } catch (cause) {
      if (!isDuplicateKey(cause)) throw cause
      throw new ParleyError('ALREADY_EXISTS', { errors: [{ pointer: '/email', detail: 'a user has this address' }] }, { cause })
    }
  }

  /** Makes the operator's user if there is none. Of several hubs that start at once, one makes it and all find it. */
  async function ensureOperator(tries = OPERATOR_TRIES): Promise<void> {
    if ((await users.findOne({ built_in: 'operator' })) !== null) return
    try {
      await users.insertOne({ _id: uuidv7({ msecs: clock.now() }), ...OPERATOR, created_at: now(), built_in: 'operator' })
    } catch (cause) {
      // Another hub was first, and the store says so as a duplicate, or (FerretDB) as a deadlock: look again.
      if (tries <= 1) throw cause
      await ensureOperator(tries - 1)
    }
  }

  async function operator(): Promise<Principal> {
    operator_id ??= (await users.findOne({ built_in: 'operator' }))?._id
    const found = operator_id === undefined ? undefined : await principal(operator_id)
    if (found === undefined) throw new Error('the operator has no user: identity was not started')
    return found
  }

  /** Reads the store each time: a role that was taken must not live on in a cache. */
  async function principal(id: string): Promise<Principal | undefined> {
    const [found, owns] = await Promise.all([users.findOne({ _id: id }), agentsOf(id)])
    return found === null ? undefined : { kind: 'user', id, name: found.name, roles: found.roles, owns }
  }

  const find = (ids: string[]): Promise<UserDocument[]> => users.find({ _id: { $in: ids } }).toArray()

  return { create, ensureOperator, operator, principal, find }
}

export type People = ReturnType<typeof createPeople>
