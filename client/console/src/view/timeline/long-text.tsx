import { useSignal } from '@preact/signals'
import { cutText, sizeName } from '../../untrusted-text.ts'
import { Untrusted } from '../untrusted.tsx'
import { Prose } from './prose.tsx'

export interface LongTextProps {
  text: string
  /** What is shown of a text that is too long. */
  keep: 'first' | 'last'
  lines: number
  characters?: number
  /** Of what a program wrote; without it the text is what somebody said. */
  class?: string
}

/** A text that may have any length: as much as a reader takes in at a glance, and all of it when asked for. */
export function LongText({ text, keep, lines, characters = 6_000, class: kind }: LongTextProps) {
  const isWhole = useSignal(false)
  const Text = kind === undefined ? Prose : Untrusted
  const { shown, isCut } = cutText(text, { lines, characters, keep })
  const button = isCut && (
    <button
      type="button"
      class="link show-all"
      aria-expanded={isWhole.value}
      onClick={() => {
        isWhole.value = !isWhole.value
      }}
    >
      {isWhole.value ? 'Show less' : `Show all (${sizeName(new Blob([text]).size)})`}
    </button>
  )
  return (
    <>
      {keep === 'last' && button}
      <div class={kind ?? 'prose'} dir="auto">
        {isCut && !isWhole.value && keep === 'last' && '… '}
        <Text text={isWhole.value ? text : shown} />
        {isCut && !isWhole.value && keep === 'first' && ' …'}
      </div>
      {keep === 'first' && button}
    </>
  )
}
