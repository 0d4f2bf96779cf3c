/** The sdk for Node: all of `index.ts`, and what a browser cannot have. */

export { fileStorage } from './file-storage.ts'
export { giveUp } from './give-up.ts'
export * from './index.ts'
