import { signal } from '@preact/signals'
import { Untrusted } from '../untrusted.tsx'

type Loaded = typeof import('./markdown.tsx')

/** Longer texts are shown as they were written: to parse them would hold up the page. */
const MOST_CHARACTERS = 12_000

const loaded = signal<Loaded | undefined>(undefined)
let loading: Promise<void> | undefined

/** Fetches what formats messages, once; a page that opens no room does not need it. Never rejects: without it they are plain text. */
export function loadProse(): Promise<void> {
  loading ??= import('./markdown.tsx').then(
    (module) => {
      loaded.value = module
    },
    () => {
      loading = undefined // the next room tries again
    },
  )
  return loading
}

/** What a person or an agent said. */
export function Prose({ text }: { text: string }) {
  const parts = loaded.value
  return parts === undefined || text.length > MOST_CHARACTERS ? <Untrusted text={text} /> : <parts.Markdown text={text} />
}
