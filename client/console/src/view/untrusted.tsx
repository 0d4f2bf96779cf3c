import { partsOf } from '../untrusted-text.ts'

/** A text that anyone may have written: nodes of text only, and every character that would hide or turn others is shown by its number. */
export function Untrusted({ text }: { text: string }) {
  return partsOf(text).map((part) =>
    'text' in part ? (
      part.text
    ) : (
      <span class="hidden-character" title="A character that hides or turns text">
        {part.hidden}
      </span>
    ),
  )
}
