export { grantAgent, permitContract } from './change-permissions.ts'
export { permissionRoutes } from './routes.ts'
export { createRefusalTeller, noteRefusal } from './tell-refusals.ts'
export { createPermissionUses, type PermissionUses } from './uses.ts'
