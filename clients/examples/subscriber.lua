-- A subscriber in Lua that repairs its gaps: bus/PROTOCOL.md sections 3, 4.1 and 7.3.
--
--     apt-get install luajit libzmq5 lua-messagepack
--     luajit subscriber.lua ipc://$run/publisher.ipc ipc://$run/frontend.ipc tick.EURUSD 100
--
-- Prints `sequence bid ask` of COUNT ticks: in order, without duplicates or gaps.
package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path
local hulak = require "hulak"

local publisher, frontend, topic, count = unpack(arg)
local remaining, expected, known = tonumber(count), 0, 0 -- ticks to print; the next sequence, 0 before the first; the epoch
local live = hulak.socket(hulak.SUB, publisher, { -- libzmq's defaults of 1,000 are
    rcvhwm = 100000, -- less than a burst of ticks
    sndhwm = 0, -- and less than all subscriptions of a large program: it drops the others
}, { topic, "heartbeat" })
local dealer = hulak.socket(hulak.DEALER, frontend, { rcvtimeo = 1000, linger = 0 })

-- A new tick is the next one, or the ticks before it are no longer available.
local function show(sequence, body)
    if remaining == 0 or sequence < expected then return end
    local tick = hulak.unpack(body)
    print(("%.0f %s %s"):format(sequence, hulak.text(tick.bid), hulak.text(tick.ask)))
    expected, remaining = sequence + 1, remaining - 1
end

-- The next answer to a request: its kind and its values; nothing after a second, also of BUSY: in a second again.
local function answer(id)
    for frame in hulak.receive, dealer do
        local kind, values = frame:sub(1, 1), hulak.unpack(frame:sub(2))
        if values[1] == id and not (kind == "E" and values[2] == "BUSY") then return kind, values end
    end
end

-- Takes the answers to a request up to REPLY or ERROR. Returns whether it came, and the first number that is available.
local function replayed(id)
    for kind, values in answer, id do
        if kind == "R" then return true, values[2].next end
        if kind == "E" then return true, values[4].oldest end
        for _, row in ipairs(values[3]) do
            local _, _, sequence, body = hulak.open(row[2])
            show(sequence, body)
        end
    end
    return false
end

-- Requests all ticks up to `last` again; live ticks wait meanwhile, and an overflow is the next gap.
local function repair(last)
    while expected > 0 and expected <= last and remaining > 0 do
        local id, upto = hulak.new_id(), math.min(last, expected + remaining - 1)
        local args = hulak.pack { topic = topic, from = expected, to = upto }
        hulak.send(dealer, "Q\149" .. hulak.bin(id) .. hulak.pack "hulak.replay" .. hulak.pack "" .. args .. hulak.pack {})
        local done, further = replayed(id)
        if done then expected = math.max(expected, math.min(further or upto + 1, upto + 1)) end
    end
end

io.stdout:setvbuf "line"
while remaining > 0 do
    local frame = hulak.receive(live)
    if frame then
        local name, epoch, sequence, body = hulak.open(frame)
        if name == "heartbeat" then
            repair(hulak.unpack(body).topics[topic] or 0) -- reveals a lost last tick too
        elseif name == topic and epoch >= known then
            -- numbers that the broker uses again, for other ticks, begin anew
            if expected == 0 or (epoch > known and sequence < expected) then expected = sequence end
            known = epoch
            repair(sequence - 1)
            show(sequence, body)
        end
    end
end
