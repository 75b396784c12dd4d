"""The Valkey store's methods in Lua: Valkey runs one script at a time, so each is one atomic step.

``KEYS[1]`` is the hash tag of the installation, from which a script builds the names of all keys
that it uses:

    TAG:KIND:DIGEST    hash: the fields of an artifact; ``run``, and ``used`` once it is
    TAG:grant:ID       set of KIND:DIGEST, everything issued by one sign-in
    TAG:subject:ID     the same, everything one person holds
    TAG:counter:NAME   hash: ``value``, ``expires_at``
    TAG:expiry         sorted set of KIND:DIGEST and counter:NAME, by when they may be removed

``ARGV[1]`` is when the caller will have given up, in seconds of the server's clock, ``ARGV[2]`` how
long a used artifact is remembered, and ``ARGV[3]`` the caller's generation. A script returns the
time of the server (seconds and microseconds), a status and, if needed, one further result.

Every script reads and computes before it writes, since Valkey rolls back nothing: what can fail has
failed by then. When memory has run out it refuses a script's first write.
"""

from dataclasses import dataclass, field
from hashlib import sha1

from worksgate.store import CLOCK_SET_BACK

DONE = b"done"
LATE = b"late"

_BEGINNING = """
local TAG = KEYS[1] .. ':'
local REPLAY_MEMORY = tonumber(ARGV[2])
local time = redis.call('TIME')

local function answer(word, more)
  return {time[1], time[2], word, more}
end

-- A caller that has been refused meanwhile must not find its code used.
if time[1] + time[2] / 1000000 > tonumber(ARGV[1]) then
  return answer('late')
end

-- In decimal, and all of it: as text a number would lose its last digits.
local function decimal(number)
  return string.format('%.17g', number)
end
"""

_RUN = """
local replication = redis.call('INFO', 'replication')
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local history = string.match(replication, 'master_replid:(%x+)')
if not string.find(replication, 'role:master', 1, true) then
  return redis.error_reply('READONLY this is a replica')
end
if not run_id or not history then
  return redis.error_reply('NORUN INFO tells no run_id and master_replid')
end
-- A restart changes both, a promotion the second; a restore of the database the generation.
-- 80 bits of each: Valkey keeps a hash in little room while no value of it is over 64 bytes.
local RUN = string.sub(run_id, 1, 20) .. string.sub(history, 1, 20) .. ARGV[3]

-- The fields of an artifact with a right of this run, as a flat list and by name; or nothing.
local function present(member)
  local flat = redis.call('HGETALL', TAG .. member)
  local artifact = {}
  for i = 1, #flat, 2 do
    artifact[flat[i]] = flat[i + 1]
  end
  local lasting = string.sub(member, 1, 18) == 'spent_transaction:'
  if artifact.run == RUN or (artifact.run and lasting) then
    return flat, artifact
  end
end
"""

_KEEP = """
-- What is replaced stays used, of whatever run it is.
local function keep(member, artifact)
  local key = TAG .. member
  local old = redis.call('HMGET', key, 'grant_id', 'subject_id', 'used')
  local removable_at = tonumber(artifact.expires_at)
  if old[3] then
    artifact.used = old[3]
    removable_at = removable_at + REPLAY_MEMORY
  end
  artifact.run = RUN
  local flat = {}
  for name, value in pairs(artifact) do
    flat[#flat + 1] = name
    flat[#flat + 1] = value
  end
  if old[1] then
    redis.call('SREM', TAG .. 'grant:' .. old[1], member)
    redis.call('SREM', TAG .. 'subject:' .. old[2], member)
    redis.call('DEL', key)
  end
  redis.call('HSET', key, unpack(flat))
  redis.call('SADD', TAG .. 'grant:' .. artifact.grant_id, member)
  redis.call('SADD', TAG .. 'subject:' .. artifact.subject_id, member)
  redis.call('ZADD', TAG .. 'expiry', decimal(removable_at), member)
end

-- The artifact that begins at ARGV[i]: its member, the number of its fields, names and values.
local function given(i)
  local artifact = {}
  local last = i + 1 + 2 * ARGV[i + 1]
  for j = i + 2, last, 2 do
    artifact[ARGV[j]] = ARGV[j + 1]
  end
  return ARGV[i], artifact, last + 1
end
"""

_REMOVE = """
local function remove(member)
  local key = TAG .. member
  local owners = redis.call('HMGET', key, 'grant_id', 'subject_id')
  redis.call('DEL', key)
  redis.call('ZREM', TAG .. 'expiry', member)
  if owners[1] then
    redis.call('SREM', TAG .. 'grant:' .. owners[1], member)
    redis.call('SREM', TAG .. 'subject:' .. owners[2], member)
  end
end

local function revoke(grant)
  for _, member in ipairs(redis.call('SMEMBERS', TAG .. 'grant:' .. grant)) do
    if not redis.call('HGET', TAG .. member, 'used') then
      remove(member)
    end
  end
end
"""


_COUNTERS = """
local function begin(counter, ends)
  redis.call('HSET', TAG .. 'counter:' .. counter, 'value', '1', 'expires_at', ends)
  redis.call('ZADD', TAG .. 'expiry', ends, 'counter:' .. counter)
end

local function lower(counter)
  local name = TAG .. 'counter:' .. counter
  if tonumber(redis.call('HGET', name, 'value') or '0') > 0 then
    redis.call('HINCRBY', name, 'value', -1)
  end
end

local function reset(counter)
  redis.call('DEL', TAG .. 'counter:' .. counter)
  redis.call('ZREM', TAG .. 'expiry', 'counter:' .. counter)
end
"""

_EXTEND = """
local function extend(member, expires_at)
  local found, artifact = present(member)
  if found then
    local removable_at = tonumber(expires_at)
    if artifact.used then
      removable_at = removable_at + REPLAY_MEMORY
    end
    redis.call('HSET', TAG .. member, 'expires_at', expires_at)
    redis.call('ZADD', TAG .. 'expiry', decimal(removable_at), member)
  end
  return found
end
"""

_RECOUNT = """
-- What ARGV[i] begins: how many are begun, lowered and set back; those, the begun ones with their
-- ends. First what needs memory: where there is none, nothing has been changed. What follows it.
local function recount(i)
  local last_begun = i + 2 + 2 * ARGV[i]
  local last_lowered = last_begun + ARGV[i + 1]
  local last_reset = last_lowered + ARGV[i + 2]
  return last_reset + 1, function()
    for j = i + 3, last_begun, 2 do
      begin(ARGV[j], ARGV[j + 1])
    end
    for j = last_begun + 1, last_lowered do
      lower(ARGV[j])
    end
    for j = last_lowered + 1, last_reset do
      reset(ARGV[j])
    end
  end
end
"""


@dataclass(frozen=True, slots=True)
class Script:
    """A script and its SHA-1, with which a server that has it cached runs it."""

    text: str = field(repr=False)
    sha: str
    writes: bool


def _script(*parts: str, writes: bool = True) -> Script:
    text = "".join((_BEGINNING, *parts))
    # Not for security: it is Valkey's name for a script.
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest(), writes)


SAVE = _script(
    _RUN,
    _KEEP,
    """
local i = 4
while ARGV[i] do
  local member, artifact
  member, artifact, i = given(i)
  keep(member, artifact)
end
return answer('done')
""",
)

ADD = _script(
    _RUN,
    _KEEP,
    _REMOVE,
    _EXTEND,
    _COUNTERS,
    _RECOUNT,
    """
-- ARGV[4] is how many members are removed, ARGV[5] how many are extended; they come after the
-- counters, the extended ones with their ends.
local first, change_counters = recount(6)
local last = first - 1 + ARGV[4]
local i = last + 1 + 2 * ARGV[5]
local last_extended = i - 1
local member, artifact
member, artifact, i = given(i)
-- What an earlier run left counts as well: that something was done once is not undone.
if redis.call('EXISTS', TAG .. member) == 1 then
  return answer('done', 0)
end
keep(member, artifact)
while ARGV[i] do
  member, artifact, i = given(i)
  keep(member, artifact)
end
change_counters()
for j = first, last do
  remove(ARGV[j])
end
for j = last + 1, last_extended, 2 do
  extend(ARGV[j], ARGV[j + 1])
end
return answer('done', 1)
""",
)

FIND = _script(
    _RUN,
    """
return answer('done', (present(ARGV[4])))
""",
    writes=False,
)

HELD = _script(
    _RUN,
    """
local kind, found = ARGV[4] .. ':', {}
for _, member in ipairs(redis.call('SMEMBERS', TAG .. 'subject:' .. ARGV[5])) do
  if string.sub(member, 1, #kind) == kind then
    found[#found + 1] = (present(member))
  end
end
return answer('done', found)
""",
    writes=False,
)

TAKE = _script(
    _RUN,
    _REMOVE,
    """
local found = present(ARGV[4])
if found then
  remove(ARGV[4])
end
return answer('done', found)
""",
)

EXTEND = _script(
    _RUN,
    _EXTEND,
    """
return answer('done', extend(ARGV[4], ARGV[5]) and 1 or 0)
""",
)

REDEEM = _script(
    _RUN,
    _KEEP,
    _REMOVE,
    """
local member, client, now = ARGV[4], ARGV[5], tonumber(ARGV[6])
local access_token, refresh_token, refresh_token_lifetime = ARGV[7], ARGV[8], tonumber(ARGV[9])

local found, artifact = present(member)
if not found then
  return answer('unknown')
end
if artifact.client_id ~= client then
  return answer('foreign', found)
end
if artifact.used then
  revoke(artifact.grant_id)
  return answer('replayed', found)
end
local expires_at = tonumber(artifact.expires_at)
if expires_at <= now then
  return answer('expired', found)
end

-- What is bought is as ``Successors`` says.
local function bought(key, lifetime)
  return {
    key = key,
    grant_id = artifact.grant_id,
    subject_id = artifact.subject_id,
    client_id = artifact.client_id,
    expires_at = decimal(now + lifetime),
    user_id = artifact.user_id,
    login_id = artifact.login_id,
    login_kind = artifact.login_kind,
  }
end

local token = bought(access_token, tonumber(artifact.lifetime))
redis.call('HSET', TAG .. member, 'used', '1')
redis.call('ZADD', TAG .. 'expiry', decimal(expires_at + REPLAY_MEMORY), member)
keep('access_token:' .. access_token, token)
if refresh_token ~= '' then
  local refresh = bought(refresh_token, refresh_token_lifetime)
  refresh.lifetime = artifact.lifetime
  refresh.expires_in = artifact.expires_in
  keep('refresh_token:' .. refresh_token, refresh)
end
return answer('redeemed', found)
""",
)

FORGET = _script(
    _REMOVE,
    """
local members = redis.call('SRANDMEMBER', TAG .. 'subject:' .. ARGV[4], tonumber(ARGV[5]))
for _, member in ipairs(members) do
  remove(member)
end
return answer('done', #members)
""",
)

BUMP = _script(
    _COUNTERS,
    f"local CLOCK_SET_BACK = {CLOCK_SET_BACK}",
    """
local now, counts = tonumber(ARGV[4]), {}
for i = 5, #ARGV, 2 do
  local name = 'counter:' .. ARGV[i]
  local expires_at = redis.call('HGET', TAG .. name, 'expires_at')
  local latest = tonumber(ARGV[i + 1]) + CLOCK_SET_BACK
  if expires_at and tonumber(expires_at) > now and tonumber(expires_at) <= latest then
    counts[#counts + 1] = redis.call('HINCRBY', TAG .. name, 'value', 1)
  else
    begin(ARGV[i], ARGV[i + 1])
    counts[#counts + 1] = 1
  end
end
return answer('done', counts)
""",
)

COUNT = _script(
    """
local now, counts = tonumber(ARGV[4]), {}
for i = 5, #ARGV do
  local counter = redis.call('HMGET', TAG .. 'counter:' .. ARGV[i], 'value', 'expires_at')
  local is_present = counter[1] and tonumber(counter[2]) > now
  counts[#counts + 1] = is_present and tonumber(counter[1]) or 0
end
return answer('done', counts)
""",
    writes=False,
)

LOWER = _script(
    _COUNTERS,
    """
for i = 4, #ARGV do
  lower(ARGV[i])
end
return answer('done')
""",
)

RESET = _script(
    _COUNTERS,
    """
for i = 4, #ARGV do
  reset(ARGV[i])
end
return answer('done')
""",
)

RECOUNT = _script(
    _COUNTERS,
    _RECOUNT,
    """
local _, change_counters = recount(4)
change_counters()
return answer('done')
""",
)

PURGE = _script(
    _REMOVE,
    """
local limit = tonumber(ARGV[5])
local old = redis.call(
  'ZRANGEBYSCORE', TAG .. 'expiry', '-inf', ARGV[4], 'LIMIT', 0, limit
)
for _, member in ipairs(old) do
  remove(member)
end
return answer('done', #old)
""",
)

PING = _script(
    _RUN,
    """
redis.call('SET', TAG .. 'ping', time[1])
return answer('done')
""",
)
