# A subscriber in Ruby that repairs its gaps: bus/PROTOCOL.md sections 3, 4.1 and 7.3.
#
#     apt-get install ruby-ffi-rzmq ruby-msgpack
#     ruby subscriber.rb ipc://$run/publisher.ipc ipc://$run/frontend.ipc tick.EURUSD 100
#
# Prints `sequence bid ask` of COUNT ticks: in order, without duplicates or gaps.
require "ffi-rzmq"
require "msgpack"
require "securerandom"

# One topic: `expected` is the next sequence, 0 before the first; `remaining` ticks to print.
class Subscriber
  def initialize(publisher, frontend, topic, count)
    @topic, @remaining, @expected, @epoch = topic, count.to_i, 0, 0
    context = ZMQ::Context.new
    @live, @dealer = context.socket(ZMQ::SUB), context.socket(ZMQ::DEALER)
    @live.setsockopt(ZMQ::RCVHWM, 100_000) # libzmq's default of 1,000 is less than a burst
    @live.setsockopt(ZMQ::SNDHWM, 0) # or libzmq drops subscriptions beyond 1,000
    @dealer.setsockopt(ZMQ::RCVTIMEO, 1000) # ms; without an answer the request is repeated
    [topic, "heartbeat"].each { |name| @live.setsockopt(ZMQ::SUBSCRIBE, "#{name}\0") } # without the NUL tick.EURUSDX matches too
    @live.connect(publisher)
    @dealer.connect(frontend)
  end

  def run
    while @remaining > 0
      name, epoch, sequence, body = opened(received(@live))
      if name == "heartbeat"
        repair(MessagePack.unpack(body)["topics"].fetch(@topic, 0)) # reveals a lost last tick too
      elsif name == @topic && epoch >= @epoch
        # numbers that the broker uses again, for other ticks, begin anew
        @expected = sequence if @expected == 0 || (epoch > @epoch && sequence < @expected)
        @epoch = epoch
        repair(sequence - 1)
        show(sequence, body)
      end
    end
  end

  private

  def received(socket)
    frame = String.new
    socket.recv_string(frame) < 0 ? nil : frame
  end

  # topic NUL epoch sequence time_ns body
  def opened(frame)
    cut = frame.index("\0".b)
    [frame[0...cut], *frame[cut + 1, 16].unpack("Q>2"), frame[cut + 25..]]
  end

  # A new tick is the next one, or the ticks before it are no longer available.
  def show(sequence, body)
    return if @remaining == 0 || sequence < @expected
    tick = MessagePack.unpack(body)
    puts "#{sequence} #{tick['bid']} #{tick['ask']}"
    @expected, @remaining = sequence + 1, @remaining - 1
  end

  # Requests all ticks up to `last` again; live ticks wait meanwhile, and an overflow is the next gap.
  def repair(last)
    while @expected > 0 && @expected <= last && @remaining > 0
      id = SecureRandom.random_bytes(16) # binary: packed as bin
      upto = [last, @expected + @remaining - 1].min
      args = { topic: @topic, from: @expected, to: upto }
      @dealer.send_string("Q".b + [id, "hulak.replay", "", args, {}].to_msgpack)
      while (answer = received(@dealer))
        kind, (answered, *values) = answer[0], MessagePack.unpack(answer[1..])
        next if answered != id || (kind == "E" && values[0] == "BUSY") # BUSY: in a second again
        if kind == "P"
          values[1].each { |_, frame| opened(frame).then { |_, _, sequence, body| show(sequence, body) } }
        else # REPLY or ERROR: nothing before `further` is available
          further = (kind == "R" ? values[0]["next"] : values[2]["oldest"]) || upto + 1
          @expected = [@expected, [further, upto + 1].min].max
          break
        end
      end
    end
  end
end

$stdout.sync = true
Subscriber.new(*ARGV).run
