-- Sends one prepared HTTP request after another, each with a value of its own.
--
-- wrk … -s load.lua -- TEMPLATE VALUES once|cycle SECONDS [PAUSE|- [LOCATIONS]]
--   TEMPLATE  a file with one raw HTTP request; the text "{value}" stands where a value goes, and
--             "{cookie}", if it is there, where the rest of its line goes, behind it
--   VALUES    a file with one value a line, all of one length (Content-Length is in the template);
--             a tab stands before the cookie
--   once      a value is never sent twice; the load ends when they run out, and says so
--   cycle     the values are sent again from the first one
--   SECONDS   when to stop sending; wrk's own duration must be longer, so that every answer is
--             still counted: then there are as many answers as requests
--   PAUSE     milliseconds that a connection rests before each request, on average and at random,
--             as people come; none by default. Connections that all rest for exactly one second
--             come in the same instant, again and again, and that instant is what is measured
--   LOCATIONS a file for the address that each answer redirects to, one a line; an empty line for
--             an answer that does not
--
-- The request is put together from two strings because wrk.format() per request would make the
-- load generator the slower side. The last line printed is one JSON object.

local ffi = require("ffi")
ffi.cdef [[
   struct bench_time { long seconds; long nanoseconds; };
   int clock_gettime(int clock, struct bench_time *time);
]]
local MONOTONIC = 1
local clock_every = 16 -- requests: asking for each one would cost as much as sending it

local before, between, after
local values, count, position = {}, 0, 0
local again, limit = false, 0
local asked, started, finished = 0, nil, false
exhausted = 0
elapsed = 0
local threads = {}

local function now()
   local time = ffi.new("struct bench_time")
   ffi.C.clock_gettime(MONOTONIC, time)
   return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

local function finish()
   finished = true
   elapsed = now() - started
end

function setup(thread)
   table.insert(threads, thread)
end

function init(args)
   local file = assert(io.open(args[1], "rb"))
   local template = file:read("*a")
   file:close()
   local first, last = template:find("{value}", 1, true)
   before, between, after = template:sub(1, first - 1), "", template:sub(last + 1)
   first, last = after:find("{cookie}", 1, true)
   if first then
      between, after = after:sub(1, first - 1), after:sub(last + 1)
   end
   for line in io.lines(args[2]) do
      local value, cookie = line:match("^([^\t]*)\t?(.*)$")
      count = count + 1
      values[count] = value .. between .. cookie
   end
   again = args[3] == "cycle"
   limit = tonumber(args[4])
   local pause = tonumber(args[5])
   if pause then
      clock_every = 1 -- there are few of them
      delay = function() return math.random(0, 2 * pause) end
   end
   if args[6] then
      collect(assert(io.open(args[6], "w")))
   end
end

-- Only where addresses are asked for: to look at each answer costs the load generator something.
function collect(file)
   file:setvbuf("line") -- nobody tells a thread when it is over
   response = function(status, headers)
      local location = headers["location"] or headers["Location"] or ""
      file:write(status >= 300 and location or "", "\n")
   end
end

function request()
   asked = asked + 1
   if asked == 1 then
      return before .. values[1] .. after -- wrk only looks at this one, it does not send it
   end
   if finished then
      return "" -- the connection rests until wrk ends
   end
   if asked == 2 then
      started = now()
   elseif asked % clock_every == 0 and now() - started >= limit then
      finish()
      return ""
   end
   position = position + 1
   if position > count then
      if not again then
         exhausted = 1
         finish()
         return ""
      end
      position = 1
   end
   return before .. values[position] .. after
end

function done(summary, latency, requests)
   local ran_out, seconds = 0, 0
   for _, thread in ipairs(threads) do
      ran_out = ran_out + thread:get("exhausted")
      seconds = math.max(seconds, thread:get("elapsed"))
   end
   local errors = summary.errors
   io.write(string.format(
      '{"answers": %d, "seconds": %.6f, "mean": %.0f, "p50": %d, "p99": %d, "max": %d, ' ..
      '"refused": %d, "broken": %d, "exhausted": %d}\n',
      summary.requests, seconds, latency.mean, latency:percentile(50), latency:percentile(99),
      latency.max, errors.status,
      errors.connect + errors.read + errors.write + errors.timeout, ran_out))
end
