<?php // A subscriber in PHP that repairs its gaps: bus/PROTOCOL.md sections 3, 4.1 and 7.3.
//
//     apt-get install php-cli php-zmq php-msgpack
//     php subscriber.php ipc://$run/publisher.ipc ipc://$run/frontend.ipc tick.EURUSD 100
//
// Prints `sequence bid ask` of COUNT ticks: in order, without duplicates or gaps.

// One topic: `expected` is the next sequence, 0 before the first; `remaining` ticks to print.
class Subscriber
{
    private ZMQSocket $live;
    private ZMQSocket $dealer;
    private int $remaining;
    private int $expected = 0;
    private int $epoch = 0;

    public function __construct(string $publisher, string $frontend, private string $topic, string $count)
    {
        $this->remaining = (int)$count;
        $context = new ZMQContext();
        $this->live = new ZMQSocket($context, ZMQ::SOCKET_SUB);
        $this->dealer = new ZMQSocket($context, ZMQ::SOCKET_DEALER);
        $this->live->setSockOpt(ZMQ::SOCKOPT_RCVHWM, 100_000); // libzmq's default of 1,000 is less than a burst
        $this->live->setSockOpt(ZMQ::SOCKOPT_SNDHWM, 0); // or libzmq drops subscriptions beyond 1,000
        $this->dealer->setSockOpt(ZMQ::SOCKOPT_RCVTIMEO, 1000); // ms; without an answer the request is repeated
        foreach ([$topic, "heartbeat"] as $name) { // without the NUL, tick.EURUSDX would match too
            $this->live->setSockOpt(ZMQ::SOCKOPT_SUBSCRIBE, "$name\0");
        }
        $this->live->connect($publisher);
        $this->dealer->connect($frontend);
    }

    public function run(): void
    {
        while ($this->remaining > 0) {
            [$name, $epoch, $sequence, $body] = $this->opened($this->live->recv());
            if ($name === "heartbeat") { // reveals a lost last tick too
                $this->repair(msgpack_unpack($body)["topics"][$this->topic] ?? 0);
            } elseif ($name === $this->topic && $epoch >= $this->epoch) {
                // numbers that the broker uses again, for other ticks, begin anew
                $again = $epoch > $this->epoch && $sequence < $this->expected;
                $this->expected = $again || !$this->expected ? $sequence : $this->expected;
                $this->epoch = $epoch;
                $this->repair($sequence - 1);
                $this->show($sequence, $body);
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
    private function show(int $sequence, string $body): void
    {
        if ($this->remaining === 0 || $sequence < $this->expected) return;
        $tick = msgpack_unpack($body);
        echo "$sequence {$tick['bid']} {$tick['ask']}\n";
        $this->expected = $sequence + 1;
        $this->remaining--;
    }

    // Requests all ticks up to `last` again; live ticks wait meanwhile, and an overflow is the next gap.
    private function repair(int $last): void
    {
        while ($this->expected && $this->expected <= $last && $this->remaining > 0) {
            $id = random_bytes(16);
            $upto = min($last, $this->expected + $this->remaining - 1);
            $args = ["topic" => $this->topic, "from" => $this->expected, "to" => $upto];
            $values = implode(array_map("msgpack_pack", ["hulak.replay", "", $args])) . "\x80"; // \x80: an empty map
            $this->dealer->send("Q\x95\xc4\x10$id$values"); // the id by hand: php-msgpack has no bin
            while (($answer = $this->dealer->recv()) !== false) {
                $answered = msgpack_unpack(substr($answer, 1));
                if ($answered[0] !== $id || ($answer[0] === "E" && $answered[1] === "BUSY")) continue;
                if ($answer[0] !== "P") { // REPLY or ERROR: nothing before `further` is available
                    $further = ($answer[0] === "R" ? $answered[1]["next"] : $answered[3]["oldest"] ?? null) ?? $upto + 1;
                    $this->expected = max($this->expected, min($further, $upto + 1));
                    break;
                }
                foreach ($answered[2] as [, $frame]) {
                    [, , $sequence, $body] = $this->opened($frame);
                    $this->show($sequence, $body);
                }
            }
        }
    }
}

(new Subscriber(...array_slice($argv, 1)))->run();
