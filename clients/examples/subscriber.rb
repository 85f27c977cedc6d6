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
    @context = ZMQ::Context.new # kept: if it is collected, its finalizer waits for the sockets for ever
    @live, @dealer = @context.socket(ZMQ::SUB), @context.socket(ZMQ::DEALER)
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
        last = MessagePack.unpack(body)["topics"].fetch(@topic, 0) # reveals a lost last tick too
        repair(epoch, last) if last > 0 && @expected > 0 && epoch >= @epoch
      elsif name == @topic && epoch >= @epoch
        @expected = sequence if @expected == 0
        repair(epoch, sequence - 1)
        show(epoch, sequence, body)
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
  def show(epoch, sequence, body)
    return if @remaining == 0 || sequence < @expected || epoch > @epoch
    tick = MessagePack.unpack(body)
    puts "#{sequence} #{tick['bid']} #{tick['ask']}"
    @expected, @remaining = sequence + 1, @remaining - 1
  end

  # Prints all missing ticks up to `last`; live ticks wait meanwhile, and an overflow is the next gap.
  def repair(epoch, last)
    go_back(epoch, last + 1) if epoch > @epoch
    while @expected <= last && @remaining > 0
      ticks, further = replay(@expected, [last, @expected + @remaining - 1].min)
      ticks.each { |tick| show(*tick) }
      @expected = [@expected, further].max
    end
  end

  # A larger epoch, with numbers below `upto`, may use numbers again for other ticks: the first of them is expected.
  def go_back(epoch, upto)
    @expected = [@expected, upto].min
    @expected -= 1 while @epoch > 0 && @expected > 1 && replay(@expected - 1, @expected - 1)[0].any? { |tick| tick[0] > @epoch }
    @epoch = epoch
  end

  # Requests ticks again; returns epoch, sequence and body of each, and the number behind the last one that is answered.
  def replay(first, last)
    loop do
      id = SecureRandom.random_bytes(16) # binary: packed as bin
      args = { topic: @topic, from: first, to: last }
      ticks = []
      @dealer.send_string("Q".b + [id, "hulak.replay", "", args, {}].to_msgpack)
      while (answer = received(@dealer))
        kind, (answered, *values) = answer[0], MessagePack.unpack(answer[1..])
        next if answered != id || (kind == "E" && values[0] == "BUSY") # BUSY: in a second again
        if kind == "P"
          values[1].each { |_, frame| ticks << opened(frame).drop(1) }
        else # REPLY or ERROR: nothing before `further` is available
          further = (kind == "R" ? values[0]["next"] : values[2]["oldest"]) || last + 1
          return ticks, [further, last + 1].min
        end
      end
    end
  end
end

$stdout.sync = true
Subscriber.new(*ARGV).run
