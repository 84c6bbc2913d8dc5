-- Sends the requests of a file in order, each thread from a place of its own:
-- `path`, or `path <tab> token <tab> body` for what is posted. Ends with one line
-- of JSON. Arguments after `--`: the file, the number of threads, milliseconds
-- between two requests of a connection (0: none).

local started = 0

function setup(thread)
   thread:set("place", started)
   started = started + 1
end

function init(args)
   local threads = tonumber(args[2])
   pause = tonumber(args[3] or "0")
   all = {}
   local number = 0
   for line in io.lines(args[1]) do
      if number % threads == place then
         local path, token, body = line:match("^([^\t]*)\t([^\t]*)\t(.*)$")
         if path then
            local headers = { ["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json" }
            all[#all + 1] = wrk.format("POST", path, headers, body)
         else
            all[#all + 1] = wrk.format("GET", line)
         end
      end
      number = number + 1
   end
   at = 0
end

function request()
   at = at % #all + 1
   return all[at]
end

if tonumber(({ ... })[3] or "0") > 0 then
   function delay() return pause end
end

function done(summary, latency)
   io.write(string.format(
      '{"requests": %d, "seconds": %.3f, "bytes": %d, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f, "refused": %d, "broken": %d}\n',
      summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
      latency.max / 1e3, summary.errors.status,
      summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
