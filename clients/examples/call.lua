-- Calls of an action in Lua: bus/PROTOCOL.md section 4.
--
--     apt-get install luajit libzmq5 lua-messagepack
--     luajit call.lua ipc://$run/frontend.ipc sums add 3
--
-- Call N of COUNT has the arguments a N and b N. Prints `part VALUE`, then `reply VALUE` or `error CODE` of each.
package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path
local hulak = require "hulak"

local AGAIN_MS, GIVE_UP_S = 1000, 60 -- without an answer the request is sent again, under its id: the broker joins the two

-- Returns the kind of the last answer, its value or code, and the parts.
local function call(dealer, service, action, args)
    local id, parts = hulak.new_id(), {}
    local named = hulak.bin(id) .. hulak.pack(service) .. hulak.pack(action)
    local request = "Q\149" .. named .. hulak.pack(args) .. hulak.pack { timeout_ms = GIVE_UP_S * 1000 }
    local deadline = hulak.now() + GIVE_UP_S
    while hulak.now() < deadline do
        hulak.send(dealer, request)
        for frame in hulak.receive, dealer do
            local kind, values = frame:sub(1, 1), hulak.unpack(frame:sub(2))
            if values[1] == id then -- else of an earlier call, or nil
                if kind ~= "P" then return kind, values[2], parts end
                if values[2] == 1 then parts = {} end -- another attempt sends its parts from the first one on
                table.insert(parts, values[3])
            end
        end
    end
    return "E", "NO_ANSWER", parts
end

local frontend, service, action, count = unpack(arg)
local dealer = hulak.socket(hulak.DEALER, frontend, { rcvtimeo = AGAIN_MS, linger = 0 })
io.stdout:setvbuf "line"
for n = 1, tonumber(count) do
    local kind, value, parts = call(dealer, service, action, { a = n, b = n })
    for _, part in ipairs(parts) do print("part " .. hulak.text(part)) end
    print((kind == "R" and "reply " or "error ") .. hulak.text(value))
end
hulak.finish()
