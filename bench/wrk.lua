-- SPDX-License-Identifier: MIT
-- wrk.lua: POSTs of one event each, for wrk. Arguments: a file with one body per line,
-- which are sent in turn, and a token.

local requests = {}
local at = 0

function init(args)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Authorization"] = "Bearer " .. args[2]
  for body in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format(nil, nil, nil, body)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end
