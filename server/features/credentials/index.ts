export { type CredentialWatch, type Cut, createCredentialWatch } from './credential-watch.ts'
export { endKey } from './end-key.ts'
export { createKeyEnds, type EndedKey } from './key-ends.ts'
