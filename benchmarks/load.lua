-- Sends one prepared HTTP request after another, each with a value of its own.
--
-- wrk … -s load.lua -- TEMPLATE VALUES once|cycle
--   TEMPLATE  a file with one raw HTTP request; the text "{value}" stands where a value goes
--   VALUES    a file with one value a line, all of one length (Content-Length is in the template)
--   once      a value is never sent twice; the load stops when they run out, and says so
--   cycle     the values are sent again from the first one
--
-- The request is put together from two strings because wrk.format() per request would make the
-- load generator the slower side. The last line printed is one JSON object.

local before, after
local values, count, position = {}, 0, 0
local again = false
exhausted = 0
local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

function init(args)
   local file = assert(io.open(args[1], "rb"))
   local template = file:read("*a")
   file:close()
   local first, last = template:find("{value}", 1, true)
   before, after = template:sub(1, first - 1), template:sub(last + 1)
   for value in io.lines(args[2]) do
      count = count + 1
      values[count] = value
   end
   again = args[3] == "cycle"
end

function request()
   position = position + 1
   if position > count then
      if again then
         position = 1
      else
         exhausted = 1
         position = count
         -- wrk asks for one request before its threads exist, hence the check.
         if wrk.thread then wrk.thread:stop() end
      end
   end
   return before .. values[position] .. after
end

function done(summary, latency, requests)
   local ran_out = 0
   for _, thread in ipairs(threads) do
      ran_out = ran_out + thread:get("exhausted")
   end
   local errors = summary.errors
   io.write(string.format(
      '{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "max": %d, ' ..
      '"refused": %d, "broken": %d, "exhausted": %d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
      latency.max, errors.status,
      errors.connect + errors.read + errors.write + errors.timeout, ran_out))
end
