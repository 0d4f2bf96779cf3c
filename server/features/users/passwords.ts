import { ParleyError } from '../../../shared/protocol/index.ts'
import { type Asked, type Audit, refusedAndRecorded } from '../../pipeline/audit.ts'
import type { LoginThrottle } from './login-throttle.ts'
import type { Model, UserDocument } from './model.ts'
import type { Secrets } from './secrets.ts'

/** Proof by password: at the sign-in, and again before it is changed. */
export function createPasswords({
  model: { users },
  secrets,
  throttle,
  audit,
  onEnd,
}: {
  model: Model
  secrets: Secrets
  throttle: LoginThrottle
  audit: Audit
  /** All sessions of the user have ended: what they hold open must not go on once this resolves. */
  onEnd(user_id: string): Promise<void>
}) {
  /** One answer, and about one time, for an unknown user, a disabled one and a wrong password. */
  async function signIn({ email, password, ip }: { email: string; password: string; ip: string }, asked: Asked): Promise<UserDocument> {
    const address = email.toLowerCase()
    return throttled({ email: address, ip }, 'UNAUTHENTICATED', async () => {
      const user = await users.findOne({ email: address })
      const matches = await secrets.matchesPassword(password, user?.password_hash)
      if (user === null || !matches || user.status !== 'active') {
        failed(user, asked)
        throw refusedAndRecorded('UNAUTHENTICATED', { detail: 'The address or the password is not right' })
      }
      return user
    })
  }

  /** Sets another password, and ends every session of the user and every link that would open one. Answers the user as it is then. */
  async function change(
    user: UserDocument,
    given: { current_password: string; new_password: string; ip: string },
    asked: Asked,
  ): Promise<UserDocument> {
    return throttled({ email: user.email, ip: given.ip }, 'PASSWORD_WRONG', async () => {
      if (!(await secrets.matchesPassword(given.current_password, user.password_hash))) {
        failed(user, asked)
        throw refusedAndRecorded('PASSWORD_WRONG')
      }
      const password_hash = await secrets.hashPassword(given.new_password)
      const as_it_was = { _id: user._id, status: 'active' as const, sessions_version: user.sessions_version }
      const changed = await users.findOneAndUpdate(as_it_was, next(password_hash), { returnDocument: 'after' })
      // Someone ended the sessions meanwhile, this one among them.
      if (changed === null) throw new ParleyError('UNAUTHENTICATED')
      audit.record({ type: 'user.password_changed', ...asked, subject: { type: 'user', id: user._id }, metadata: { method: 'password' } })
      await onEnd(user._id)
      return changed
    })
  }

  /** What was typed for an unknown user is not written down: it may be a password in the wrong field. */
  function failed(user: UserDocument | null, asked: Asked): void {
    const subject = { type: 'user', id: user?._id ?? 'unknown' }
    audit.record({ type: 'user.sign_in_failed', ...asked, subject, metadata: { method: 'password' } })
  }

  /** Counts as a failed attempt what ends with that refusal, and only that. */
  async function throttled<T>(who: { email: string; ip: string }, failure: ParleyError['code'], prove: () => Promise<T>): Promise<T> {
    const attempt = await throttle.begin(who)
    try {
      const proven = await prove()
      await attempt.succeeded()
      return proven
    } catch (error) {
      if (!(error instanceof ParleyError) || error.code !== failure) await attempt.undecided()
      throw error
    }
  }

  return { signIn, change }
}

export type Passwords = ReturnType<typeof createPasswords>

/** One update sets the password and ends what was proven by the one before. */
export function next(password_hash: string) {
  return { $set: { password_hash, status: 'active' as const }, $unset: { reset_asked_at: '' as const }, $inc: { sessions_version: 1 } }
}
