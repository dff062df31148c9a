-- Arguments: file with the body, sticky header (or -), paths separated by commas, then headers as "name: value".
-- Requests go round over the paths, and over CALLERS values of the sticky header.
local CALLERS = 256
local requests, sent = {}, 0

local function prepare(args)
   local headers, paths = {}, {}
   for number = 4, #args do
      local name, value = args[number]:match("^(.-): (.*)$")
      headers[name] = value
   end
   for path in args[3]:gmatch("[^,]+") do
      paths[#paths + 1] = path
   end
   local file = assert(io.open(args[1], "rb"))
   local body = file:read("*a")
   file:close()
   return headers, paths, body
end

function init(args)
   local headers, paths, body = prepare(args)
   if args[2] == "-" and #paths == 1 then
      wrk.method, wrk.path, wrk.body = "POST", paths[1], body
      for name, value in pairs(headers) do
         wrk.headers[name] = value
      end
      return
   end
   for number = 1, CALLERS * #paths do
      if args[2] ~= "-" then
         headers[args[2]] = "caller-" .. number
      end
      requests[number] = wrk.format("POST", paths[(number - 1) % #paths + 1], headers, body)
   end
   request = function()
      sent = sent % #requests + 1
      return requests[sent]
   end
end

function done(summary, latency)
   local errors = summary.errors
   print(string.format(
      'RESULT {"requests": %d, "seconds": %.6f, "p50": %.9f, "p99": %.9f, ' ..
      '"failed": {"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}}',
      summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
      errors.connect, errors.read, errors.write, errors.status, errors.timeout
   ))
end
