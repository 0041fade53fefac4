/**
 * Takes units and slots of limits in Redis, all of them or nothing, as one step.
 *
 *     KEYS[i]         the limit's key: a list of stretches for a rate, a sorted set of leases for slots
 *     ARGV[1]         the lease: who holds the slots
 *     ARGV[2 + 5i..]  of each limit, i from 0: "window" or "slot", amount, microseconds of the window or of the lease,
 *                     units needed (0: never refused), units taken
 *     result          whole numbers: 1 if all was taken, else 0; Redis' time, microseconds since 1970; then of each limit
 *                     1 if it fits, else 0; units in use; microseconds until the first of them come back; microseconds
 *                     until what is needed fits
 *     cost            a call: 3 to 7 commands a limit, whatever its amount; 160 stretches of 70 bytes a limit at most, or
 *                     a lease a slot. Refused calls store nothing. Keys expire with the last unit, or lease, in them.
 *                     A key that holds something else is emptied first.
 *     needs           Redis 5 or later; all keys in one slot of a cluster
 *
 * A stretch is "FIRST LAST BEFORE AFTER": when its first and last unit were taken, in microseconds, and how many units had
 * been taken before it and at its end, since the list was last empty. It leaves when its last unit is a window old, so that
 * no unit leaves early. The numbers are those of `SlidingWindow.ts`. Time is Redis' own: the clocks of those who ask have no
 * part in it. Where that clock was set back, the units that it has in the future count as taken now.
 */
import { exactAmount, mostStretches, stretchesPerWindow } from "./SlidingWindow.ts"

export const takeScript = `
local time = redis.call("TIME")
local now = time[1] * 1000000 + time[2]

local function read(text)
  local first, last, before, after = string.match(text, "^(%d+) (%d+) (%d+) (%d+)$")
  if not after then return nil end
  return { first = tonumber(first), last = tonumber(last), before = tonumber(before), after = tonumber(after) }
end
local function write(stretch)
  return string.format("%.0f %.0f %.0f %.0f", stretch.first, stretch.last, stretch.before, stretch.after)
end
-- What is not ours goes, and counts as nothing
local function at(key, index)
  local text = redis.pcall("LINDEX", key, index)
  if not text then return nil end
  local stretch = type(text) == "string" and read(text) or nil
  if not stretch then redis.call("DEL", key) end
  return stretch
end

local function lookAtSlots(limit)
  limit.used = redis.pcall("ZCOUNT", limit.key, string.format("(%.0f", now), "+inf")
  if type(limit.used) == "table" then
    redis.call("DEL", limit.key)
    limit.used = 0
  end
  limit.fits = limit.used < limit.amount
end

local function lookAtWindow(limit)
  local key, span = limit.key, limit.span
  local head, tail = at(key, 0), at(key, -1)
  if not tail then head = nil end
  if tail and tail.last > now then
    head = { first = now, last = now, before = head.before, after = tail.after }
    tail = head
    redis.call("DEL", key)
    redis.call("RPUSH", key, write(head))
    redis.call("PEXPIRE", key, math.ceil(span / 1000) + 1)
  end
  if tail and tail.last + span <= now then
    redis.call("DEL", key)
    head, tail = nil, nil
  end
  while head and head.last + span <= now do
    redis.call("LPOP", key)
    head = at(key, 0)
  end
  limit.tail = head and tail
  limit.used = head and tail.after - head.before or 0
  limit.back = head and head.last + span - now or 0
  local excess = limit.used + limit.need - limit.amount
  limit.fits = limit.need == 0 or excess <= 0
  if limit.fits or not head then return end
  -- The first stretch with whose end enough has left
  local low, high = 0, redis.call("LLEN", key) - 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if at(key, middle).after - head.before >= excess then high = middle else low = middle + 1 end
  end
  limit.wait = at(key, low).last + span - now
end

local function takeSlot(limit)
  redis.call("ZADD", limit.key, string.format("%.0f", now + limit.span), ARGV[1])
  redis.call("ZREMRANGEBYSCORE", limit.key, "-inf", string.format("%.0f", now))
  local milliseconds = math.ceil(limit.span / 1000) + 1
  if redis.call("PTTL", limit.key) < milliseconds then redis.call("PEXPIRE", limit.key, milliseconds) end
  limit.used = limit.used + 1
end

local function takeUnits(limit)
  if limit.take == 0 then return end
  local key, tail = limit.key, limit.tail
  local width = limit.amount <= ${exactAmount} and 0 or limit.span / ${stretchesPerWindow}
  if tail and (now - tail.first < width or redis.call("LLEN", key) >= ${mostStretches}) then
    tail.last, tail.after = now, tail.after + limit.take
    redis.call("LSET", key, -1, write(tail))
  else
    local before = tail and tail.after or 0
    redis.call("RPUSH", key, write({ first = now, last = now, before = before, after = before + limit.take }))
  end
  redis.call("PEXPIRE", key, math.ceil(limit.span / 1000) + 1)
  if limit.used == 0 then limit.back = limit.span end
  limit.used = limit.used + limit.take
end

local limits, allowed = {}, true
for i, key in ipairs(KEYS) do
  local from = 2 + (i - 1) * 5
  local limit = {
    key = key,
    kind = ARGV[from],
    amount = tonumber(ARGV[from + 1]),
    span = tonumber(ARGV[from + 2]),
    need = tonumber(ARGV[from + 3]),
    take = tonumber(ARGV[from + 4]),
    back = 0,
    wait = 0
  }
  if limit.kind == "slot" then lookAtSlots(limit) else lookAtWindow(limit) end
  allowed = allowed and limit.fits
  limits[i] = limit
end

local reply = { allowed and 1 or 0, now }
for _, limit in ipairs(limits) do
  if allowed then
    if limit.kind == "slot" then takeSlot(limit) else takeUnits(limit) end
  end
  table.insert(reply, limit.fits and 1 or 0)
  table.insert(reply, limit.used)
  table.insert(reply, limit.back)
  table.insert(reply, limit.wait)
end
return reply
`
