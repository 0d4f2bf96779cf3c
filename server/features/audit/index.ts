export { type AuditMeter, type AuditWriter, createAuditWriter } from './audit-writer.ts'
export { createAuditModels } from './model.ts'
export { createOwnStream, isAuditStream } from './own-stream.ts'
export { auditRoutes } from './routes.ts'
