import { rememberCompiled } from './compile-cache.ts'

// Before anything else is read.
rememberCompiled()
await import('./run-hub.ts')
