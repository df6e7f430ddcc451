-- Sends the requests of a file to the server, for wrk.
--
-- wrk … -- FILE once|cycle plain|counted|holds
--
-- A line of FILE: method, path, token, Idempotency-Key, Accept-Encoding and body, separated by tabs.
-- once: send each line once, and print "finished" after the last answer; cycle: repeat them.
-- counted: count the statuses, which costs wrk some time; holds: also release each hold.

local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

local lines, tokens, last, next_line, repeats = {}, {}, 0, 1, false
local releases = {}
local answered, reserved, is_tried = 0, 0, false
local NEVER_MS = 60 * 60 * 1000 -- an hour, longer than any run

local function parse(line)
   local method, path, token, key, encodings, body =
      line:match("^(.-)\t(.-)\t(.-)\t(.-)\t(.-)\t(.*)$")
   -- As sent by a proxy that terminates TLS.
   local headers = { ["Host"] = "localhost", ["X-Forwarded-Proto"] = "https" }
   if token ~= "" then headers["Authorization"] = "Bearer " .. token end
   if key ~= "" then headers["Idempotency-Key"] = key end
   if encodings ~= "" then headers["Accept-Encoding"] = encodings end
   if body ~= "" then headers["Content-Type"] = "application/json" end
   return method, path, headers, body ~= "" and body or nil
end

local function queue_release(status, headers, body)
   local id = status == 201 and body:match('"id":%s*"([^"]+)"')
   if id then
      table.insert(releases, { id, tonumber(headers["X-Request-ID"] or headers["x-request-id"]) })
   end
end

function init(arguments)
   local file, order, mode = arguments[1], arguments[2], arguments[3]
   repeats = order == "cycle"
   for line in io.lines(file) do
      local method, path, headers, body = parse(line)
      last = last + 1
      if mode == "holds" then
         -- The answer returns this number, so that the same customer releases the hold.
         headers["X-Request-ID"] = tostring(last)
         tokens[last] = headers["Authorization"]
      end
      lines[last] = wrk.format(method, path, headers, body)
   end
   if not repeats then
      -- wrk calls this before each request. After the last one it waits, so that the remaining
      -- answers are still read.
      delay = function()
         reserved = reserved + 1
         return reserved > last and NEVER_MS or 0
      end
   end
   statuses = {}
   if mode ~= "plain" then
      response = function(status, headers, body)
         local name = tostring(status)
         statuses[name] = (statuses[name] or 0) + 1
         if mode == "holds" then queue_release(status, headers, body) end
         answered = answered + 1
         if not repeats and answered == last then
            io.write("finished\n")
            io.flush()
         end
      end
   end
end

function request()
   if not is_tried then -- wrk calls this once at its start and sends nothing
      is_tried = true
      return lines[1]
   end
   local held = table.remove(releases)
   if held then
      local headers = {
         ["Host"] = "localhost",
         ["X-Forwarded-Proto"] = "https",
         ["Authorization"] = tokens[held[2]],
      }
      return wrk.format("DELETE", "/api/holds/" .. held[1], headers)
   end
   if next_line > last then next_line = 1 end
   next_line = next_line + 1
   return lines[next_line - 1]
end

function done(summary, latency)
   local counted = {}
   for _, thread in ipairs(threads) do
      for status, count in pairs(thread:get("statuses")) do
         table.insert(counted, string.format('"%s": %d', status, count))
      end
   end
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "refused": %d, "broken": %d,'
         .. ' "statuses": {%s}}\n',
      summary.requests, summary.duration / 1e6,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
      errors.status, errors.connect + errors.read + errors.write + errors.timeout,
      table.concat(counted, ", ")))
end
