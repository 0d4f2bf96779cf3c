import { useEffect } from 'preact/hooks'
import type { LinkToken } from '../account/link-token.ts'
import { hub, hubState, session, startSession } from '../account/session.ts'
import { contracts, forgetContracts, refreshContracts } from '../contracts.ts'
import { forgetNames } from '../names.ts'
import { isPageVisible } from '../page-visible.ts'
import { forgetAnnouncements } from '../room/announcements.ts'
import { onLinkClick, openRoomId, route } from '../route.ts'
import { AccountBar } from './account/account-bar.tsx'
import { AskReset } from './account/ask-reset.tsx'
import { SetPassword, SpentPasswordLink } from './account/set-password.tsx'
import { SignIn } from './account/sign-in.tsx'
import { SignedOut } from './account/signed-out.tsx'
import { ConnectionStrip } from './connection-strip.tsx'
import { firstStep, NoRoomOpen } from './first-steps.tsx'
import { LazyManagePage } from './manage/lazy-manage-page.tsx'
import { RoomPage } from './room/room-page.tsx'
import { RoomList } from './room-list.tsx'
import { Starting } from './starting.tsx'
import { LiveLog } from './timeline/live-log.tsx'
import { Trouble } from './trouble.tsx'
import { WaitingNote } from './waiting-note.tsx'

export function App({ link }: { link: LinkToken | undefined }) {
  useEffect(() => {
    document.addEventListener('click', onLinkClick)
    return () => document.removeEventListener('click', onLinkClick)
  }, [])
  const { page } = route.value
  const token = link?.page === page ? link.token : undefined
  if (page === 'sign-in' && token !== undefined) return <SignIn token={token} />
  if (page === 'invitation') return token === undefined ? <SpentPasswordLink kind={page} /> : <SetPassword kind={page} token={token} />
  if (page === 'password-reset') return token === undefined ? <AskReset /> : <SetPassword kind={page} token={token} />
  if (session.value.state === 'signed-out') return <SignedOut because={session.value.because} />
  if (session.value.state === 'failed') {
    return (
      <main class="notice">
        <h1>Parley</h1>
        <Trouble error={session.value.error} what="The console" onRetry={() => void startSession()} />
      </main>
    )
  }
  return session.value.state === 'starting' ? <Starting text="Opening the console …" /> : <Console />
}

// What happens in rooms that are not open here is not told to this page, nor are contracts of others to staff.
const REFRESH_MS = 15_000

/** List and room side by side, or one of them where there is no room for both: the style sheet chooses, so nothing is made anew. */
function Console() {
  const room = openRoomId.value
  const isLive = hubState.value === 'live'
  const isVisible = isPageVisible.value
  const isList = route.value.page === 'rooms'
  const connected = hub.value

  useEffect(() => connected?.on('contract', () => void refreshContracts()), [connected])
  useEffect(() => {
    // A connection that is gone is the strip's to tell; the list is read again when it is back.
    if (!isVisible || (!isLive && contracts.peek().items !== undefined)) return
    void refreshContracts()
    const timer = setInterval(() => void refreshContracts(), REFRESH_MS)
    return () => clearInterval(timer)
  }, [isLive, isVisible])
  useEffect(() => forgetPerson, [])
  useEffect(() => {
    if (isList) document.title = 'Rooms · Parley'
  }, [isList])

  return (
    <div class={`console ${isList ? 'shows-list' : 'shows-room'}`}>
      <nav class="skip-links" aria-label="Skip">
        <a href="#rooms">Skip to the list of rooms</a>
        {room === undefined && route.value.page !== 'rooms' && <a href="#page">Skip to the page</a>}
        {room !== undefined && <a href="#timeline">Skip to the timeline</a>}
        {room !== undefined && <a href="#message">Skip to the message box</a>}
      </nav>
      <div class="strips">
        <ConnectionStrip />
        <WaitingNote />
      </div>
      <AccountBar />
      <RoomList openId={room} />
      <Pane room={room} />
      <LiveLog />
    </div>
  )
}

/** What the page knows from one who was signed in is none of the next one's. */
function forgetPerson(): void {
  forgetContracts()
  forgetNames()
  forgetAnnouncements()
}

function Pane({ room }: { room: string | undefined }) {
  if (room !== undefined) return <RoomPage key={room} contract_id={room} />
  const at = route.value
  if (at.page === 'account' || at.page === 'people' || at.page === 'agents' || at.page === 'agent' || at.page === 'audit')
    return <LazyManagePage route={at} />
  const isUnknown = at.page === 'unknown'
  const step = isUnknown ? undefined : firstStep()
  return (
    // Where there is no place beside the list, a first step stands below it.
    <main class={`room room-none ${step === undefined ? '' : 'is-first'}`} id="page" tabIndex={-1}>
      {isUnknown ? (
        <>
          <h1>There is no such page</h1>
          <p>
            <a href="/app/rooms">All rooms</a>
          </p>
        </>
      ) : (
        <NoRoomOpen step={step} />
      )}
    </main>
  )
}
