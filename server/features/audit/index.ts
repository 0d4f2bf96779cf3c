export { type AuditMeter, type AuditWriter, createAuditWriter } from './audit-writer.ts'
export { facetsOfAudit, facetsOfRoom } from './facets.ts'
export { createAuditModels } from './model.ts'
export { createOwnStream, isAuditStream } from './own-stream.ts'
