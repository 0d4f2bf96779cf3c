export { type CredentialWatch, type Cut, createCredentialWatch } from './credential-watch.ts'
export { endKey } from './end-key.ts'
export { createKeyEnds, type EndedKey, type NewKey } from './key-ends.ts'
export { tellIssue } from './tell-issue.ts'
