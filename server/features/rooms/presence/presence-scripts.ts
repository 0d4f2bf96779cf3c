/** After so long a room's presence is forgotten by Redis when nobody comes any more. */
const KEEP_S = 86_400

// Leases are measured by the clock of Redis, so that a node whose own clock is wrong puts nobody out. `lead` is how far the hub's
// clock was moved (by a test).
const NOW = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000) + tonumber(ARGV[1])`

/**
 * KEYS seats, members. ARGV lead, lease in ms, then `principal|device`, principal, member as JSON for each seat: takes the seats or
 * renews them. Answers the members who were not there.
 */
export const HOLD = `${NOW}
local joined = {}
for i = 3, #ARGV, 3 do
  redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[i])
  if redis.call('HSETNX', KEYS[2], ARGV[i + 1], ARGV[i + 2]) == 1 then table.insert(joined, ARGV[i + 2]) end
end
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ${KEEP_S}) end
return joined`

/** KEYS seats, members. ARGV lead, a seat or nothing: gives it up, with those whose lease is over. Answers the principals that have none left. */
export const EXIT = `${NOW}
if ARGV[2] ~= '' then redis.call('ZREM', KEYS[1], ARGV[2]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local here, gone = {}, {}
for _, seat in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do here[string.match(seat, '^[^|]*')] = true end
for _, id in ipairs(redis.call('HKEYS', KEYS[2])) do
  if not here[id] then redis.call('HDEL', KEYS[2], id) table.insert(gone, id) end
end
return gone`

/** KEYS members. ARGV principal, member as JSON: changes one who is there, and no other. */
export const CHANGE = `
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1`

// A version that Redis lost goes on from the time of day: it never goes back, and the leap tells readers that they missed something.
const VERSION = `
local t = redis.call('TIME')
redis.call('SET', KEYS[1], t[1] * 1000 + math.floor(t[2] / 1000), 'NX', 'EX', ${KEEP_S})`

/**
 * KEYS version, members, crowd. ARGV the most that are listed, principals: the next version, how many are there, and each principal as it
 * is **now**, or nothing. The first after the room was more than are listed: `all`, and everyone who is there.
 */
export const TELL = `${VERSION}
local version = redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ${KEEP_S})
local count = redis.call('HLEN', KEYS[2])
local answer = { tostring(version), tostring(count), '' }
if count > tonumber(ARGV[1]) then
  redis.call('SET', KEYS[3], 1, 'EX', ${KEEP_S})
elseif redis.call('DEL', KEYS[3]) == 1 then
  answer[3] = 'all'
  for _, member in ipairs(redis.call('HVALS', KEYS[2])) do table.insert(answer, member) end
  return answer
end
for i = 2, #ARGV do table.insert(answer, redis.call('HGET', KEYS[2], ARGV[i]) or '') end
return answer`

/** KEYS version, members, seats. ARGV lead: the version, and the members who hold a seat. */
export const SNAPSHOT = `${VERSION}
local now = t[1] * 1000 + math.floor(t[2] / 1000) + tonumber(ARGV[1])
local answer, seen = { redis.call('GET', KEYS[1]) }, {}
for _, seat in ipairs(redis.call('ZRANGE', KEYS[3], '(' .. now, '+inf', 'BYSCORE')) do
  local id = string.match(seat, '^[^|]*')
  local member = not seen[id] and redis.call('HGET', KEYS[2], id)
  seen[id] = true
  if member then table.insert(answer, member) end
end
return answer`
