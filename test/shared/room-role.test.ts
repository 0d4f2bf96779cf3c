import { expect } from 'chai'
import { userRoles } from '../../shared/protocol/index.ts'
import { isStaff, roomRole, seesStaffNotes } from '../../shared/rules/room-role.ts'

const parties = { requester_id: 'r', provider_id: 'p' }

describe('roles in a room', () => {
  const table = [
    { who: 'the provider, an agent', principal: { id: 'p', roles: [] }, role: 'provider' },
    { who: 'the provider, a reviewer too', principal: { id: 'p', roles: ['reviewer'] }, role: 'provider' },
    { who: 'the requester', principal: { id: 'r', roles: ['requester'] }, role: 'requester' },
    { who: 'the requester, a reviewer too', principal: { id: 'r', roles: ['requester', 'reviewer'] }, role: 'staff' },
    { who: 'an admin', principal: { id: 'a', roles: ['admin'] }, role: 'staff' },
    { who: 'a reviewer', principal: { id: 'a', roles: ['reviewer'] }, role: 'staff' },
    { who: "the agent's owner", principal: { id: 'o', roles: ['provider'], owns: ['x', 'p'] }, role: 'owner' },
    { who: "another agent's owner", principal: { id: 'o', roles: ['provider'], owns: ['x'] }, role: undefined },
    { who: 'another requester', principal: { id: 'o', roles: ['requester'] }, role: undefined },
    { who: 'another provider', principal: { id: 'o', roles: ['provider'], owns: [] }, role: undefined },
    { who: 'another agent', principal: { id: 'x', roles: [] }, role: undefined },
  ] as const

  for (const { who, principal, role } of table) {
    it(`[RULE-8] ${who} is ${role ?? 'a stranger'}`, () => {
      expect(roomRole(principal, parties)).to.equal(role)
    })
  }

  it('[RULE-8] reviewers and admins are staff, and nobody else', () => {
    expect(userRoles.filter((role) => isStaff([role]))).to.deep.equal(['reviewer', 'admin'])
    expect(isStaff([])).to.equal(false)
  })

  it('[RULE-9] staff notes are for staff, the owner and the provider', () => {
    const readers = table.filter(({ principal }) => seesStaffNotes(principal, parties)).map(({ role }) => role)
    expect(new Set(readers)).to.deep.equal(new Set(['provider', 'owner', 'staff']))
    expect(table.some(({ principal, role }) => role === undefined && seesStaffNotes(principal, parties))).to.equal(false)
  })

  it('[RULE-9] a requester who owns the agent reads them too', () => {
    expect(seesStaffNotes({ id: parties.requester_id, roles: ['requester'], owns: [parties.provider_id] }, parties)).to.equal(true)
    expect(seesStaffNotes({ id: parties.requester_id, roles: ['requester'], owns: [] }, parties)).to.equal(false)
  })
})
