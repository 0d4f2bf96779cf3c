import { WaitingNote } from './waiting-note.tsx'

export function Starting({ text }: { text: string }) {
  return (
    <main class="notice late" aria-busy="true">
      <h1>Parley</h1>
      <p>{text}</p>
      <WaitingNote />
    </main>
  )
}
