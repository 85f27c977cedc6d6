<?php // A worker in PHP: bus/PROTOCOL.md section 5. It serves the action `add` of a service, until it is retired.
//
//     apt-get install php-cli php-zmq php-msgpack
//     php worker.php ipc://$run/backend.ipc sums
//
// With an argument `ms` the sum takes that long: a long task that is held, while the worker sends heartbeats.

const BEAT_S = 0.25;

// One worker: `held` tasks are [id, attempt, due, done, value]; their results are sent when the broker knows the worker.
class Worker
{
    private ZMQSocket $socket;
    private string $name;
    private array $held = [];
    private ?int $epoch = null;
    private bool $known = false;
    private bool $retired = false;

    public function __construct(string $backend, private string $service)
    {
        $this->name = "php/" . getmypid() . "/" . bin2hex(random_bytes(3)); // another name after each start
        $this->socket = new ZMQSocket(new ZMQContext(), ZMQ::SOCKET_DEALER);
        $this->socket->setSockOpt(ZMQ::SOCKOPT_RCVTIMEO, 10); // ms
        $this->socket->setSockOpt(ZMQ::SOCKOPT_LINGER, 1000);
        $this->socket->connect($backend);
    }

    public function run(): void
    {
        $this->ready();
        $beatAt = 0;
        while (!$this->retired || $this->held) {
            $frame = $this->socket->recv();
            if ($frame !== false) $this->take($frame[0], msgpack_unpack(substr($frame, 1)));
            $this->finish(microtime(true));
            if (microtime(true) < $beatAt) continue;
            $this->socket->send("H\x92" . $this->names() . "\xc0");
            $beatAt = microtime(true) + BEAT_S;
        }
        $this->socket->send("G" . msgpack_pack(["retired"]));
    }

    // All held tasks as an array of [id, attempt]; ids by hand, since php-msgpack has no bin.
    private function names(): string
    {
        $names = array_map(fn($task) => "\x92\xc4\x10$task[0]" . msgpack_pack($task[1]), $this->held);
        return "\xdc" . pack("n", count($names)) . implode($names);
    }

    private function ready(): void
    {
        $credit = msgpack_pack($this->retired ? 0 : 1);
        $info = msgpack_pack(["pid" => getmypid()]);
        $this->socket->send("Y\x95" . msgpack_pack($this->service) . msgpack_pack($this->name) . $credit . $this->names() . $info);
    }

    private function take(string $kind, array $values): void
    {
        if ($kind === "H") {
            [$epoch, $this->known] = $values;
            if (!$this->known || ($this->epoch !== null && $this->epoch !== $epoch)) {
                $this->known = false; // until the broker has answered READY
                $this->ready();
            }
            $this->epoch = $epoch;
        } elseif ($kind === "T" && !$this->retired) { // else the broker gives it to another worker
            [$id, $attempt, $action, $args] = $values;
            $fault = ["code" => "UNKNOWN_ACTION", "text" => "action $action is unknown, must be add"];
            $this->held[] = $action === "add"
                ? [$id, $attempt, microtime(true) + ($args["ms"] ?? 0) / 1000, true, $args["a"] + $args["b"]]
                : [$id, $attempt, microtime(true), false, $fault];
        } elseif ($kind === "X") {
            $this->retired = true;
        }
    }

    // Sends the results that are due, if the broker knows the worker.
    private function finish(float $now): void
    {
        if (!$this->known) return;
        foreach (array_filter($this->held, fn($task) => $task[2] <= $now) as $at => [$id, $attempt, , $done, $value]) {
            $this->socket->send("R\x94\xc4\x10$id" . msgpack_pack($attempt) . msgpack_pack($done) . msgpack_pack($value));
            unset($this->held[$at]);
        }
    }
}

(new Worker(...array_slice($argv, 1)))->run();
