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
    linger = 0,
}, { topic, "heartbeat" })
local dealer = hulak.socket(hulak.DEALER, frontend, { rcvtimeo = 1000, linger = 0 })

-- A new tick is the next one, or the ticks before it are no longer available.
local function show(epoch, sequence, body)
    if remaining == 0 or sequence < expected or epoch > known then return end
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

-- Requests ticks again; returns epoch, sequence and body of each, and the number behind the last one that is answered.
local function replay(first, last)
    local args = hulak.pack { topic = topic, from = first, to = last }
    while true do
        local id, ticks = hulak.new_id(), {}
        hulak.send(dealer, "Q\149" .. hulak.bin(id) .. hulak.pack "hulak.replay" .. hulak.pack "" .. args .. hulak.pack {})
        for kind, values in answer, id do
            if kind ~= "P" then -- REPLY or ERROR: nothing before `further` is available
                local further
                if kind == "R" then further = values[2].next else further = values[4].oldest end
                return ticks, math.min(further or last + 1, last + 1)
            end
            for _, row in ipairs(values[3]) do
                table.insert(ticks, { select(2, hulak.open(row[2])) })
            end
        end
    end
end

local function used_again(number)
    for _, tick in ipairs((replay(number, number))) do
        if tick[1] > known then return true end
    end
    return false
end

-- Prints all missing ticks up to `last`; live ticks wait meanwhile, and an overflow is the next gap.
local function repair(epoch, last)
    if epoch > known then -- it may use numbers again for other ticks: the first of them is expected
        expected = math.min(expected, last + 1)
        while known > 0 and expected > 1 and used_again(expected - 1) do expected = expected - 1 end
        known = epoch
    end
    while expected <= last and remaining > 0 do
        local ticks, further = replay(expected, math.min(last, expected + remaining - 1))
        for _, tick in ipairs(ticks) do show(unpack(tick)) end
        expected = math.max(expected, further)
    end
end

io.stdout:setvbuf "line"
while remaining > 0 do
    local frame = hulak.receive(live)
    if frame then
        local name, epoch, sequence, body = hulak.open(frame)
        if name == "heartbeat" and epoch >= known then
            local last = hulak.unpack(body).topics[topic] -- reveals a lost last tick too
            if last and expected > 0 then repair(epoch, last) end
        elseif name == topic and epoch >= known then
            if expected == 0 then expected = sequence end
            repair(epoch, sequence - 1)
            show(epoch, sequence, body)
        end
    end
end
hulak.finish()
