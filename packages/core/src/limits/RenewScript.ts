/**
 * Renews leases of slots in Redis, all that a process holds at once.
 *
 *     KEYS[i]       a limit's key, once for each of its slots: a sorted set of leases, as `TakeScript.ts` has it
 *     ARGV[1]       microseconds of the lease, from now on
 *     ARGV[1 + i]   the lease that holds a slot of KEYS[i]
 *     result        0, or the first error; the others are renewed all the same
 *     cost          3 commands a slot
 *     needs         Redis 5 or later; all keys in one slot of a cluster
 *
 * A lease that is not there is held again: its call is under way, whatever became of what Redis knew.
 */
export const renewScript = `
local time = redis.call("TIME")
local span = tonumber(ARGV[1])
local expires = string.format("%.0f", time[1] * 1000000 + time[2] + span)
local milliseconds = math.ceil(span / 1000) + 1
local failure
for i, key in ipairs(KEYS) do
  local added = redis.pcall("ZADD", key, expires, ARGV[1 + i])
  if type(added) == "table" then
    failure = failure or added
  elseif redis.call("PTTL", key) < milliseconds then
    redis.call("PEXPIRE", key, milliseconds)
  end
end
return failure or 0
`
