-- What the programs in Lua share: libzmq by LuaJIT's FFI, and the frames of bus/PROTOCOL.md sections 3.1 and 4.1.
local ffi = require "ffi"
local msgpack = require "MessagePack"

ffi.cdef [[
typedef struct { unsigned char bytes[64]; } zmq_msg_t;
struct timespec { long seconds; long nanoseconds; };
void *zmq_ctx_new(void);
int zmq_ctx_term(void *context);
void *zmq_socket(void *context, int type);
int zmq_setsockopt(void *socket, int option, const void *value, size_t size);
int zmq_connect(void *socket, const char *address);
int zmq_send(void *socket, const void *bytes, size_t size, int flags);
int zmq_close(void *socket);
int zmq_errno(void);
int zmq_msg_init(zmq_msg_t *message);
int zmq_msg_recv(zmq_msg_t *message, void *socket, int flags);
void *zmq_msg_data(zmq_msg_t *message);
size_t zmq_msg_size(const zmq_msg_t *message);
int zmq_msg_close(zmq_msg_t *message);
int clock_gettime(int clock, struct timespec *time);
int getpid(void);
]]

local zmq, random = ffi.load "libzmq.so.5", assert(io.open("/dev/urandom", "rb"))
local context, sockets = zmq.zmq_ctx_new(), {}
local OPTIONS, SUBSCRIBE, EAGAIN, EINTR = { linger = 17, sndhwm = 23, rcvhwm = 24, rcvtimeo = 27 }, 6, 11, 4
local hulak = { SUB = 2, DEALER = 5, pack = msgpack.pack, unpack = msgpack.unpack }
local function check(result)
    if result < 0 then error("libzmq failed with errno " .. zmq.zmq_errno(), 2) end
end

--- A socket with these options, numbers, that is subscribed to these topics and connected.
function hulak.socket(type, address, options, topics)
    local socket = zmq.zmq_socket(context, type)
    for name, value in pairs(options) do
        check(zmq.zmq_setsockopt(socket, OPTIONS[name], ffi.new("int[1]", value), 4))
    end
    for _, topic in ipairs(topics or {}) do -- without the NUL tick.EURUSDX matches too
        check(zmq.zmq_setsockopt(socket, SUBSCRIBE, topic .. "\0", #topic + 1))
    end
    check(zmq.zmq_connect(socket, address))
    table.insert(sockets, socket)
    return socket
end

function hulak.send(socket, frame)
    check(zmq.zmq_send(socket, frame, #frame, 0))
end

--- The next frame, or nil after the socket's time limit.
function hulak.receive(socket)
    local message = ffi.new "zmq_msg_t"
    zmq.zmq_msg_init(message)
    if zmq.zmq_msg_recv(message, socket, 0) < 0 then
        local code = zmq.zmq_errno()
        if code ~= EAGAIN and code ~= EINTR then check(-1) end
        return nil
    end
    local frame = ffi.string(zmq.zmq_msg_data(message), zmq.zmq_msg_size(message))
    zmq.zmq_msg_close(message)
    return frame
end

--- Ends the program: sends the last messages, for as long as `linger`. LuaJIT unloads libzmq, whose threads must have ended.
function hulak.finish()
    for _, socket in ipairs(sockets) do zmq.zmq_close(socket) end
    zmq.zmq_ctx_term(context)
end

--- Packs bytes, such as an id: `pack` makes text of every string.
function hulak.bin(bytes)
    local packed = {}
    msgpack.packers.binary(packed, bytes)
    return table.concat(packed)
end

hulak.new_id = function() return random:read(16) end -- unique also over time

--- A value as text: a number as exactly as it came.
function hulak.text(value)
    return type(value) == "number" and ("%.17g"):format(value) or tostring(value)
end

--- Seconds of a clock that is never set.
function hulak.now()
    local time = ffi.new "struct timespec"
    ffi.C.clock_gettime(1, time)
    return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

--- Opens a publication: topic NUL epoch sequence time_ns body. Numbers are exact up to 2^53.
function hulak.open(frame)
    local cut = frame:find("\0", 1, true)
    local function number(from) return hulak.unpack("\207" .. frame:sub(from, from + 7)) end -- as a uint64 of msgpack
    return frame:sub(1, cut - 1), number(cut + 1), number(cut + 9), frame:sub(cut + 25)
end

return hulak
