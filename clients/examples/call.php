<?php // Calls of an action in PHP: bus/PROTOCOL.md section 4.
//
//     apt-get install php-cli php-zmq php-msgpack
//     php call.php ipc://$run/frontend.ipc sums add 3
//
// Call N of COUNT has the arguments a N and b N. Prints `part VALUE`, then `reply VALUE` or `error CODE` of each.

const AGAIN_MS = 1000; // without an answer the request is sent again, under its id
const GIVE_UP_S = 60;

// Returns the kind of the last answer, its value or code, and the parts.
function call(ZMQSocket $dealer, string $service, string $action, array $args): array
{
    $id = random_bytes(16); // unique also over time
    $values = implode(array_map("msgpack_pack", [$service, $action, $args, ["timeout_ms" => GIVE_UP_S * 1000]]));
    $deadline = microtime(true) + GIVE_UP_S;
    $parts = [];
    while (microtime(true) < $deadline) {
        $dealer->send("Q\x95\xc4\x10$id$values"); // the id by hand: php-msgpack has no bin
        while (($answer = $dealer->recv()) !== false) {
            $answered = msgpack_unpack(substr($answer, 1));
            if ($answered[0] !== $id) continue; // of an earlier call
            if ($answer[0] !== "P") return [$answer[0], $answered[1], $parts];
            if ($answered[1] === 1) $parts = []; // another attempt sends its parts from the first one on
            $parts[] = $answered[2];
        }
    }
    return ["E", "NO_ANSWER", $parts];
}

[, $frontend, $service, $action, $count] = $argv;
$dealer = new ZMQSocket(new ZMQContext(), ZMQ::SOCKET_DEALER);
$dealer->setSockOpt(ZMQ::SOCKOPT_RCVTIMEO, AGAIN_MS);
$dealer->setSockOpt(ZMQ::SOCKOPT_LINGER, 0);
$dealer->connect($frontend);
for ($n = 1; $n <= (int)$count; $n++) {
    [$kind, $value, $parts] = call($dealer, $service, $action, ["a" => $n, "b" => $n]);
    foreach ($parts as $part) echo "part $part\n";
    echo $kind === "R" ? "reply $value\n" : "error $value\n";
}
