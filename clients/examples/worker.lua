-- A worker in Lua: bus/PROTOCOL.md section 5. It serves the action `add` of a service, until it is retired.
--
--     apt-get install luajit libzmq5 lua-messagepack
--     luajit worker.lua ipc://$run/backend.ipc sums
--
-- With an argument `ms` the sum takes that long: a long task that is held, while the worker sends heartbeats.
package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path
local ffi = require "ffi"
local hulak = require "hulak"

local BEAT_S = 0.25

local backend, service = unpack(arg)
local name = ("lua/%d/%d"):format(ffi.C.getpid(), hulak.now() * 1e6) -- another one after each start
local held = {} -- tasks in progress, or with a result that was not sent: id, attempt, due (s), done, value
local epoch, known, retired = nil, false, false
local socket = hulak.socket(hulak.DEALER, backend, { rcvtimeo = 10, linger = 1000 })

-- Packs an array of packed values: ids are packed as bin, which `pack` of a table would not do.
local function array(items)
    return string.char(220, math.floor(#items / 256), #items % 256) .. table.concat(items)
end

local function send(kind, ...)
    hulak.send(socket, kind .. array { ... })
end

local function names()
    local items = {}
    for _, task in ipairs(held) do
        table.insert(items, array { hulak.bin(task.id), hulak.pack(task.attempt) })
    end
    return array(items)
end

local function ready()
    local info = { pid = ffi.C.getpid() }
    send("Y", hulak.pack(service), hulak.pack(name), hulak.pack(retired and 0 or 1), names(), hulak.pack(info))
end

local take = { -- by the kind of the message
    H = function(seen, is_known)
        known = is_known and (epoch == nil or epoch == seen)
        epoch = seen
        if not known then ready() end -- the broker's answer shows that it knows the worker
    end,
    T = function(id, attempt, action, args)
        if retired then return end -- the broker gives it to another worker
        local task = { id = id, attempt = attempt, due = hulak.now(), done = action == "add" }
        if task.done then
            task.due, task.value = task.due + (args.ms or 0) / 1000, args.a + args.b
        else
            task.value = { code = "UNKNOWN_ACTION", text = "action " .. action .. " is unknown, must be add" }
        end
        table.insert(held, task)
    end,
    X = function() retired = true end,
}

-- Sends the results that are due, if the broker knows the worker.
local function finish()
    if not known then return end
    for at = #held, 1, -1 do
        local task = held[at]
        if task.due <= hulak.now() then
            send("R", hulak.bin(task.id), hulak.pack(task.attempt), hulak.pack(task.done), hulak.pack(task.value))
            table.remove(held, at)
        end
    end
end

ready()
local beat_at = hulak.now()
while not retired or #held > 0 do
    local frame = hulak.receive(socket) -- waits for 10 ms
    local act = frame and take[frame:sub(1, 1)]
    if act then act(unpack(hulak.unpack(frame:sub(2)))) end
    finish()
    if hulak.now() >= beat_at then
        send("H", names(), hulak.pack(nil))
        beat_at = hulak.now() + BEAT_S
    end
end
send("G", hulak.pack "retired")
hulak.finish()
