<?php // A subscriber in PHP that repairs its gaps: bus/PROTOCOL.md sections 3, 4.1 and 7.3.
//
//     apt-get install php-cli php-zmq php-msgpack
//     php subscriber.php ipc://$run/publisher.ipc ipc://$run/frontend.ipc tick.EURUSD 100
//
// Prints `sequence bid ask` of COUNT ticks: in order, without duplicates or gaps.

// One topic: `expected` is the next sequence, 0 before the first; `remaining` ticks to print.
class Subscriber
{
    private ZMQSocket $live, $dealer;
    private int $remaining, $expected = 0, $epoch = 0;

    public function __construct(string $publisher, string $frontend, private string $topic, string $count)
    {
        $this->remaining = (int)$count;
        $context = new ZMQContext();
        $this->live = new ZMQSocket($context, ZMQ::SOCKET_SUB);
        $this->dealer = new ZMQSocket($context, ZMQ::SOCKET_DEALER);
        $this->live->setSockOpt(ZMQ::SOCKOPT_RCVHWM, 100_000); // libzmq's default of 1,000 is less than a burst
        $this->live->setSockOpt(ZMQ::SOCKOPT_SNDHWM, 0); // or libzmq drops subscriptions beyond 1,000
        $this->dealer->setSockOpt(ZMQ::SOCKOPT_RCVTIMEO, 1000); // ms; without an answer the request is repeated
        $this->live->setSockOpt(ZMQ::SOCKOPT_SUBSCRIBE, "$topic\0"); // without the NUL, tick.EURUSDX would match too
        $this->live->setSockOpt(ZMQ::SOCKOPT_SUBSCRIBE, "heartbeat\0");
        $this->live->connect($publisher);
        $this->dealer->connect($frontend);
    }

    public function run(): void
    {
        while ($this->remaining > 0) {
            [$name, $epoch, $sequence, $body] = $this->opened($this->live->recv());
            if ($name === "heartbeat" && $epoch >= $this->epoch) { // reveals a lost last tick too
                $last = msgpack_unpack($body)["topics"][$this->topic] ?? 0;
                if ($last && $this->expected) $this->repair($epoch, $last);
            } elseif ($name === $this->topic && $epoch >= $this->epoch) {
                $this->expected = $this->expected ?: $sequence;
                $this->repair($epoch, $sequence - 1);
                $this->show($epoch, $sequence, $body);
            }
        }
    }

    // topic NUL epoch sequence time_ns body
    private function opened(string $frame): array
    {
        $cut = strpos($frame, "\0");
        return [substr($frame, 0, $cut), ...array_values(unpack("J2", $frame, $cut + 1)), substr($frame, $cut + 25)];
    }

    // A new tick is the next one, or the ticks before it are no longer available.
    private function show(int $epoch, int $sequence, string $body): void
    {
        if ($this->remaining === 0 || $sequence < $this->expected || $epoch > $this->epoch) return;
        $tick = msgpack_unpack($body);
        echo "$sequence {$tick['bid']} {$tick['ask']}\n";
        [$this->expected, $this->remaining] = [$sequence + 1, $this->remaining - 1];
    }

    // Prints all missing ticks up to `last`; live ticks wait meanwhile, and an overflow is the next gap.
    private function repair(int $epoch, int $last): void
    {
        if ($epoch > $this->epoch) { // it may use numbers again for other ticks: the first of them is expected
            $this->expected = min($this->expected, $last + 1);
            while ($this->epoch && ($this->replay($this->expected - 1, $this->expected - 1)[0][0][1] ?? 0) > $this->epoch) {
                $this->expected--;
            }
            $this->epoch = $epoch;
        }
        while ($this->expected <= $last && $this->remaining > 0) {
            [$ticks, $further] = $this->replay($this->expected, min($last, $this->expected + $this->remaining - 1));
            foreach ($ticks as [, $seen, $sequence, $body]) $this->show($seen, $sequence, $body);
            $this->expected = max($this->expected, $further);
        }
    }

    // Requests ticks again; returns [topic, epoch, sequence, body] of each, and the number behind the last that is answered.
    private function replay(int $first, int $last): array
    {
        for ($ticks = []; $first > 0;) { // there is no number 0
            $id = random_bytes(16);
            $args = msgpack_pack(["topic" => $this->topic, "from" => $first, "to" => $last]);
            $values = msgpack_pack("hulak.replay") . msgpack_pack("") . "$args\x80"; // \x80: an empty map
            $this->dealer->send("Q\x95\xc4\x10$id$values"); // the id by hand: php-msgpack has no bin
            while (($answer = $this->dealer->recv()) !== false) {
                $answered = msgpack_unpack(substr($answer, 1));
                if ($answered[0] !== $id || ($answer[0] === "E" && $answered[1] === "BUSY")) continue;
                if ($answer[0] !== "P") { // REPLY or ERROR: nothing before `further` is available
                    $further = ($answer[0] === "R" ? $answered[1]["next"] : $answered[3]["oldest"] ?? null) ?? $last + 1;
                    return [$ticks, min($further, $last + 1)];
                }
                foreach ($answered[2] as [, $frame]) $ticks[] = $this->opened($frame);
            }
        }
        return [[], 1];
    }
}

(new Subscriber(...array_slice($argv, 1)))->run();
