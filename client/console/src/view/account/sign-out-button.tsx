import { useSignal } from '@preact/signals'
import { type LeftHere, leftHere } from '../../account/left-here.ts'
import { myself, signOut } from '../../account/session.ts'
import { DialogButton } from '../dialog-button.tsx'

const NOTHING: LeftHere = { unsent: 0, drafts: 0 }

/** Asks only where something would be lost: a shared machine keeps nothing of whoever has signed out. */
export function SignOutButton({ look }: { look: 'link' | 'plain' }) {
  const left = useSignal(NOTHING)
  const { unsent, drafts } = left.value
  const isLeft = unsent + drafts > 0
  return (
    <DialogButton
      {...{ label: 'Sign out', look, title: 'Sign out of this browser?', isDanger: isLeft, keeps: 'Stay signed in' }}
      {...{ does: isLeft ? 'Sign out and remove' : 'Sign out', doing: 'Signing out…' }}
      onOpen={() => {
        left.value = leftHere(myself()?.id ?? '')
        return left.value.unsent + left.value.drafts > 0
      }}
      act={() => signOut().then(() => undefined)}
    >
      {unsent > 0 && <p>{unsent === 1 ? 'A message of yours is' : `${unsent} messages of yours are`} not sent yet.</p>}
      {drafts > 0 && <p>You have begun {drafts === 1 ? 'a message' : `${drafts} messages`} that you have not sent.</p>}
      {isLeft && <p>Signing out removes {unsent + drafts === 1 ? 'it' : 'them'} from this browser, for others may use it after you.</p>}
    </DialogButton>
  )
}
