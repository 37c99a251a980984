-- wrk asks 1,000 times a second, evenly, over however many connections it has: who is answered waits for the next slot that
-- is nobody's.
local ffi = require("ffi")
ffi.cdef [[
  struct bench_time { long seconds, microseconds; };
  int gettimeofday(struct bench_time *time, void *zone);
]]
local SLOT_MS = 1
local time, due = ffi.new("struct bench_time"), 0

-- Milliseconds until the next request (wrk calls this before each).
function delay()
  ffi.C.gettimeofday(time, nil)
  local now = tonumber(time.seconds) * 1000 + math.floor(tonumber(time.microseconds) / 1000)
  due = math.max(due + SLOT_MS, now)
  return due - now
end
