import { render } from 'preact'
import { startSession } from './session.ts'
import { takeSignInToken } from './sign-in-token.ts'
import { App } from './view/app.tsx'

// Before anything else: nothing that happens later may see the token in the address bar or in the history.
const token = takeSignInToken()
const place = document.querySelector('#app')
if (place === null) throw new Error('the page has no place for the console')
render(<App token={token} />, place)
if (token === undefined) void startSession()
