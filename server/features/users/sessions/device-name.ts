import bowser from 'bowser'

const LONGEST_NAME = 60
// Longer ones are no browser's; a parser of patterns gets nothing of any length.
const LONGEST_AGENT = 500

/** What a person calls the thing that signed in: `Chrome 126 on Linux`, or the first word of what a program says of itself. */
export function deviceName(user_agent: string | undefined): string {
  const text = (user_agent ?? '').slice(0, LONGEST_AGENT).trim()
  if (text === '') return 'unknown'
  const { browser, os } = bowser.parse(text)
  const known = [browser.name, browser.version?.split('.')[0]].filter(Boolean).join(' ')
  if (known === '') return /^[\w.+/-]+/.exec(text)?.[0].slice(0, LONGEST_NAME) ?? 'unknown'
  return [known, os.name].filter(Boolean).join(' on ').slice(0, LONGEST_NAME)
}
