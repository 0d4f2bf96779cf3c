const SAFE = ['http:', 'https:', 'mailto:']

export interface SafeLink {
  href: string
  /** Where it leads, when its words say something else. */
  leadsTo: string | undefined
}

/** The address of a link in a message, or undefined for what a browser must not follow from one: `javascript:`, paths of this page. */
export function linkOf({ href, text }: { href: string; text: string }): SafeLink | undefined {
  if (!URL.canParse(href)) return undefined
  const url = new URL(href)
  if (!SAFE.includes(url.protocol)) return undefined
  const place = url.protocol === 'mailto:' ? url.pathname : url.host
  // Not as it is written: letters of other alphabets and a user's name in front make one address look like another.
  const isSaid = url.username === '' && [url.href, place].some((said) => bare(said) === bare(text))
  return { href: url.href, leadsTo: isSaid ? undefined : place }
}

const bare = (text: string): string => text.replace(/^(https?:\/\/|mailto:)/, '').replace(/\/$/, '')
