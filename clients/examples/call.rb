# Calls of an action in Ruby: bus/PROTOCOL.md section 4.
#
#     apt-get install ruby-ffi-rzmq ruby-msgpack
#     ruby call.rb ipc://$run/frontend.ipc sums add 3
#
# Call N of COUNT has the arguments a N and b N. Prints `part VALUE`, then `reply VALUE` or `error CODE` of each.
require "ffi-rzmq"
require "msgpack"
require "securerandom"

AGAIN_MS = 1000 # without an answer the request is sent again, under its id: the broker joins it with the one in progress
GIVE_UP_S = 60

def call(dealer, service, action, args)
  id = SecureRandom.random_bytes(16) # unique also over time; binary: packed as bin
  request = "Q".b + [id, service, action, args, { timeout_ms: GIVE_UP_S * 1000 }].to_msgpack
  deadline = Time.now + GIVE_UP_S
  parts = []
  while Time.now < deadline
    dealer.send_string(request)
    while dealer.recv_string(answer = String.new) >= 0
      kind, (answered, *values) = answer[0], MessagePack.unpack(answer[1..])
      next if answered != id # of an earlier call, or nil
      return kind, values[0], parts unless kind == "P"
      parts.clear if values[0] == 1 # another attempt sends its parts from the first one on
      parts << values[1]
    end
  end
  ["E", "NO_ANSWER", parts]
end

frontend, service, action, count = ARGV
context = ZMQ::Context.new # kept: if it is collected, its finalizer waits for the sockets for ever
dealer = context.socket(ZMQ::DEALER)
dealer.setsockopt(ZMQ::RCVTIMEO, AGAIN_MS)
dealer.setsockopt(ZMQ::LINGER, 0)
dealer.connect(frontend)
1.upto(count.to_i) do |n|
  kind, value, parts = call(dealer, service, action, { a: n, b: n })
  parts.each { |part| puts "part #{part}" }
  puts kind == "R" ? "reply #{value}" : "error #{value}"
end
