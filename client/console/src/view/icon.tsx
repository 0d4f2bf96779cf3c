const shapes = {
  agent: 'M4 5.5h8A1.5 1.5 0 0 1 13.5 7v4a1.5 1.5 0 0 1-1.5 1.5H4A1.5 1.5 0 0 1 2.5 11V7A1.5 1.5 0 0 1 4 5.5zM8 5.5V3M6 9h.01M10 9h.01',
  user: 'M8 8a2.6 2.6 0 1 0 0-5.2A2.6 2.6 0 0 0 8 8zM3 13.4c.5-2.4 2.5-3.6 5-3.6s4.5 1.2 5 3.6',
  system: 'M8 13.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zM8 7.5v3M8 5.4h.01',
  unknown: 'M8 8a2.6 2.6 0 1 0 0-5.2A2.6 2.6 0 0 0 8 8zM3 13.4c.5-2.4 2.5-3.6 5-3.6s4.5 1.2 5 3.6',
  note: 'M4.5 7.5h7v5h-7zM5.8 7.5V5.8a2.2 2.2 0 0 1 4.4 0v1.7',
  tool: 'M3 5l3 3-3 3M8 11.5h5',
  check: 'M3.5 8.5l3 3 6-7',
  cross: 'M4.5 4.5l7 7M11.5 4.5l-7 7',
  clock: 'M8 13.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zM8 5v3l2 1.5',
  alert: 'M8 3l5.5 9.5h-11zM8 6.8v2.6M8 11h.01',
  search: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.5 10.5l3 3',
  back: 'M10 3.5L5.5 8l4.5 4.5',
  down: 'M8 3v10M4 9l4 4 4-4',
  shield: 'M8 2.5l5 1.8v3.4c0 3-2 5-5 6-3-1-5-3-5-6V4.3zM5.8 8l1.6 1.6 2.8-3',
  flag: 'M4 13.5v-11M4 3h7.5L9.7 5.7l1.8 2.8H4',
  busy: 'M8 2.5A5.5 5.5 0 1 1 2.5 8',
} as const

export type IconName = keyof typeof shapes

/** Always beside a word: the shape is for the eye that looks for it again, never the only carrier of a meaning. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class={`icon icon-${name}`} viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={shapes[name]} />
    </svg>
  )
}
