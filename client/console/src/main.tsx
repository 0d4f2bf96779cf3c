import { render } from 'preact'
import { takeLinkToken } from './account/link-token.ts'
import { startSession } from './account/session.ts'
import { App } from './view/app.tsx'

// Before anything else: nothing that happens later may see the token in the address bar or in the history.
const link = takeLinkToken()
// A link pasted into the address bar of a page that is open already changes only what stands behind the #.
addEventListener('hashchange', () => {
  if (location.hash.startsWith('#token=')) location.reload()
})
const place = document.querySelector('#app')
if (place === null) throw new Error('the page has no place for the console')
render(<App link={link} />, place)
if (link === undefined) void startSession()
