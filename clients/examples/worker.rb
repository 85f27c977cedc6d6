# A worker in Ruby: bus/PROTOCOL.md section 5. It serves the action `add` of a service, until it is retired.
#
#     apt-get install ruby-ffi-rzmq ruby-msgpack
#     ruby worker.rb ipc://$run/backend.ipc sums
#     hulak task call sums add '{"a": 1, "b": 2}'
#
# With an argument `ms` the sum takes that long: a long task that is held, while the worker sends heartbeats.
require "ffi-rzmq"
require "msgpack"

BEAT_S = 0.25

# One worker: `held` tasks are [id, attempt, due, sum]; `unsent` results are sent once the broker knows the worker again.
class Worker
  def initialize(backend, service)
    @service, @name = service, "ruby/#{Process.pid}/#{Random.new_seed % 1_000_000}" # another name after each start
    @held, @unsent, @epoch, @known, @retired = [], [], nil, false, false
    @context = ZMQ::Context.new # kept: if it is collected, its finalizer waits for the sockets for ever
    @socket = @context.socket(ZMQ::DEALER)
    @socket.setsockopt(ZMQ::RCVTIMEO, 20) # ms
    @socket.setsockopt(ZMQ::LINGER, 1000)
    @socket.connect(backend)
  end

  def run
    ready
    beat_at = now
    until @retired && @held.empty? && @unsent.empty?
      while @socket.recv_string(frame = String.new) >= 0
        take(frame[0], MessagePack.unpack(frame[1..]))
      end
      finish
      next if now < beat_at
      say("H", names, nil)
      beat_at = now + BEAT_S
    end
    say("G", "retired")
    @socket.close
  end

  private

  def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

  def say(kind, *values) = @socket.send_string(kind.b + values.to_msgpack)

  # All tasks that the worker holds: those in progress, and those whose results were not sent.
  def names = @held.map { |id, attempt| [id, attempt] } + @unsent.map { |id, attempt| [id, attempt] }

  def ready = say("Y", @service, @name, @retired ? 0 : 1, names, { pid: Process.pid })

  def take(kind, values)
    case kind
    when "H"
      epoch, @known = values
      if !@known || (@epoch && @epoch != epoch)
        @known = false # until the broker has answered READY
        ready
      end
      @epoch = epoch
    when "T" then begin_task(*values)
    when "X" then @retired = true
    end
  end

  def begin_task(id, attempt, action, args, *)
    return if @retired # the broker gives it to another worker
    if action == "add"
      @held << [id, attempt, now + args.fetch("ms", 0) / 1000.0, [true, args["a"] + args["b"]]]
    else
      fault = { code: "UNKNOWN_ACTION", text: "action #{action} is unknown, must be add" }
      @held << [id, attempt, now, [false, fault]]
    end
  end

  # Ends the tasks that are due, and sends results if the broker knows the worker.
  def finish
    due, @held = @held.partition { |task| task[2] <= now }
    @unsent += due.map { |id, attempt, _, outcome| [id, attempt, *outcome] }
    @unsent.each { |result| say("R", *result) } && @unsent.clear if @known
  end
end

Worker.new(*ARGV).run
