import { type Signal, useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'
import { Icon } from '../icon.tsx'

/** What stands beside the list of rooms when it is no room: a heading, what was just done, and the rest. */
export function Page({
  title,
  heading = title,
  back = '/app/rooms',
  backLabel = 'All rooms',
  actions,
  said,
  children,
}: {
  title: string
  heading?: ComponentChildren
  back?: string
  backLabel?: string
  actions?: ComponentChildren
  /** What was done last, in a sentence: shown, and read out. */
  said: Signal<string>
  children: ComponentChildren
}) {
  useEffect(() => {
    document.title = `${title} · Parley`
  }, [title])
  return (
    <main class="room page" id="page" tabIndex={-1}>
      <header class="room-head">
        <a class={back === '/app/rooms' ? 'back' : 'back always'} href={back} aria-label={backLabel}>
          <Icon name="back" />
        </a>
        <div class="room-title">
          <h1 id="page-title" tabIndex={-1}>
            {heading}
          </h1>
        </div>
        <div class="room-actions">{actions}</div>
      </header>
      <div class="page-body">
        <p class="page-said" role="status">
          {said.value}
        </p>
        {children}
      </div>
    </main>
  )
}

/** Says what was done, and reads the list again. The row that it was done by may be gone then, and the focus with it: the heading takes it. */
export function useDone(reload: () => Promise<void>): { said: Signal<string>; done: (sentence: string) => void } {
  const said = useSignal('')
  const done = (sentence: string) => {
    said.value = sentence
    void reload().then(() =>
      requestAnimationFrame(() => {
        if (document.activeElement === document.body) document.getElementById('page-title')?.focus()
      }),
    )
  }
  return { said, done }
}
