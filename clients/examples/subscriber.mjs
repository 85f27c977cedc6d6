// A subscriber in JavaScript that repairs its gaps: bus/PROTOCOL.md sections 3, 4 and 7.3.
//
//     npm install zeromq@6 @msgpack/msgpack@3
//     run=$HOME/.local/state/hulak/run
//     node subscriber.mjs ipc://$run/publisher.ipc ipc://$run/frontend.ipc tick.EURUSD 100 [RECEIVE_HWM]
//
// Prints `sequence bid ask` of COUNT ticks: in order, without duplicates or gaps. Repaired gaps are reported on standard error.
// To addresses of TCP it connects with the key in the file that HULAK_KEY names: section 14.

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { decode, encode } from "@msgpack/msgpack";
import { Dealer, Subscriber } from "zeromq";

const [publisher, frontend, topic, count, receiveHwm = "100000"] = process.argv.slice(2);
const live = new Subscriber({ receiveHighWaterMark: Number(receiveHwm) }); // libzmq's default of 1,000 is less than a burst
live.setInt32Option(23, 0); // ZMQ_SNDHWM, unnamed in this binding: else subscriptions beyond 1,000 are dropped
const dealer = new Dealer({ receiveTimeout: 1000, linger: 0 }); // ms; without an answer the request is repeated
connect(live, publisher);
live.subscribe(topic + "\0", "heartbeat\0"); // without the NUL, tick.EURUSDX would match too
connect(dealer, frontend);

// Connects a socket: with a key if HULAK_KEY names its file and the address is TCP.
function connect(socket, address) {
  const path = process.env.HULAK_KEY;
  if (!path || !address.startsWith("tcp:")) return socket.connect(address);
  const lines = readFileSync(path, "utf8").matchAll(/^(\w+) = "(.*)"$/gm);
  const key = Object.fromEntries([...lines].map(([, name, value]) => [name, value]));
  socket.immediate = true; // nothing is queued for a connection that is not made
  [socket.curvePublicKey, socket.curveSecretKey, socket.curveServerKey] = [key.public, key.secret, key.server];
  socket.connect(address);
  if (!key.server_next) return;
  socket.curveServerKey = key.server_next; // the broker's key is being replaced: of these two connections only one is made
  socket.connect(address.replace("tcp://", "tcp://0.0.0.0:0;")); // libzmq connects to one text of an address only once
}

let remaining = Number(count); // ticks to print
let epoch = 0n; // 64-bit numbers are BigInt: a Number is exact up to 2^53 only
let expected = 0n; // the next sequence; 0 before the first
let lost = 0n; // in the current gap

// topic NUL epoch sequence time_ns body
function open(frame) {
  const cut = frame.indexOf(0);
  const [seen, sequence] = [frame.readBigUInt64BE(cut + 1), frame.readBigUInt64BE(cut + 9)];
  return { name: frame.toString("ascii", 0, cut), seen, sequence, body: frame.subarray(cut + 25) };
}

// Prints a new tick; it is the next one, or the ticks before it are no longer available.
function show({ sequence, body }) {
  if (remaining === 0 || sequence < expected) return;
  const { bid, ask } = decode(body);
  console.log(`${sequence} ${bid} ${ask}`);
  lost += sequence - expected;
  expected = sequence + 1n;
  remaining -= 1;
}

// Requests all ticks up to `last` again; live ticks wait meanwhile, and an overflow is the next gap.
async function repair(last) {
  const first = expected;
  lost = 0n;
  while (expected <= last && remaining > 0) {
    const most = expected + BigInt(remaining) - 1n;
    const [request, upto] = [randomBytes(16), last < most ? last : most];
    const args = { topic, from: expected, to: upto };
    await dealer.send(Buffer.concat([Buffer.from("Q"), encode([request, "hulak.replay", "", args, {}], { useBigInt64: true })]));
    for (let ended = false; !ended; ) {
      const [answer] = await dealer.receive().catch(() => []);
      if (!answer) break; // timeout
      const [kind, [id, ...values]] = [String.fromCharCode(answer[0]), decode(answer.subarray(1))];
      if (id === null || !request.equals(id) || (kind === "E" && values[0] === "BUSY")) continue;
      if (kind === "P") for (const [, frame] of values[1]) show(open(Buffer.from(frame)));
      if (kind === "P") continue;
      ended = true; // REPLY or ERROR: nothing before `further` is available
      const further = BigInt((kind === "R" ? values[0].next : values[2].oldest) ?? upto + 1n);
      const next = further < upto + 1n ? further : upto + 1n;
      if (next > expected) [lost, expected] = [lost + next - expected, next];
    }
  }
  if (first < expected) console.error(`gap ${first}..${expected - 1n} repaired` + (lost ? ` but for ${lost}` : ""));
}

while (remaining > 0) {
  const [message] = await live.receive();
  const { name, seen, sequence, body } = open(message);
  if (name === "heartbeat" && expected > 0n) {
    await repair(BigInt(decode(body).topics[topic] ?? 0)); // reveals a lost last message too
  } else if (name === topic && seen >= epoch) {
    if (seen > epoch && sequence < expected) console.error(`epoch ${seen} uses ${sequence}..${expected - 1n} again`);
    expected = expected === 0n || (seen > epoch && sequence < expected) ? sequence : expected;
    epoch = seen;
    await repair(sequence - 1n);
    show({ sequence, body });
  }
}
