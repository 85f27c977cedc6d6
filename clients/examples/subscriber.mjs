// A subscriber in JavaScript that repairs its gaps: bus/PROTOCOL.md sections 3, 4 and 7.3.
//
//     npm install zeromq@6 @msgpack/msgpack@3
//     node subscriber.mjs tcp://127.0.0.1:5551 tcp://127.0.0.1:5552 tick.EURUSD 100 [RECEIVE_HWM]
//
// Prints `sequence bid ask` of COUNT ticks: in order, none twice, none left out. Standard error tells which gaps were repaired.

import { randomBytes } from "node:crypto";
import { decode, encode } from "@msgpack/msgpack";
import { Dealer, Subscriber } from "zeromq";

const [publisher, frontend, topic, count, receiveHwm = "100000"] = process.argv.slice(2);
const live = new Subscriber({ receiveHighWaterMark: Number(receiveHwm) }); // libzmq's own 1,000 is less than a burst
live.setInt32Option(23, 0); // ZMQ_SNDHWM, which this binding does not name: subscriptions beyond 1,000 would be dropped
const asks = new Dealer({ receiveTimeout: 1000, linger: 0 }); // ms: the broker may have died, or be busy; it is asked again
live.connect(publisher);
live.subscribe(topic + "\0", "heartbeat\0"); // without the NUL, tick.EURUSDX would come too
asks.connect(frontend);

let left = Number(count); // ticks still to print
let epoch = 0n; // numbers of 64 bits are BigInt: as Number they are exact up to 2^53 only
let expected = 0n; // the sequence that comes next; 0 before the first
let lost = 0n; // of the present gap

// topic NUL epoch sequence time_ns body
function open(frame) {
  const cut = frame.indexOf(0);
  const [told, sequence] = [frame.readBigUInt64BE(cut + 1), frame.readBigUInt64BE(cut + 9)];
  return { name: frame.toString("ascii", 0, cut), told, sequence, body: frame.subarray(cut + 25) };
}

// Prints a tick that was not seen yet; it is the next one, or what lies before it can never be had.
function show({ sequence, body }) {
  if (left === 0 || sequence < expected) return;
  const { bid, ask } = decode(body);
  console.log(`${sequence} ${bid} ${ask}`);
  lost += sequence - expected;
  expected = sequence + 1n;
  left -= 1;
}

// Has everything up to `last` replayed; what is published meanwhile waits, and what overflows is the next gap.
async function repair(last) {
  const first = expected;
  lost = 0n;
  while (expected <= last && left > 0) {
    const most = expected + BigInt(left) - 1n;
    const [request, upto] = [randomBytes(16), last < most ? last : most];
    const args = { topic, from: expected, to: upto };
    await asks.send(Buffer.concat([Buffer.from("Q"), encode([request, "hulak.replay", "", args, {}], { useBigInt64: true })]));
    for (let ended = false; !ended; ) {
      const [answer] = await asks.receive().catch(() => []);
      if (!answer) break; // none in time
      const [kind, [id, ...values]] = [String.fromCharCode(answer[0]), decode(answer.subarray(1))];
      if (id === null || !request.equals(id) || (kind === "E" && values[0] === "BUSY")) continue;
      if (kind === "P") for (const [, frame] of values[1]) show(open(Buffer.from(frame)));
      if (kind === "P") continue;
      ended = true; // REPLY or ERROR: before `further` there is nothing more
      const further = BigInt((kind === "R" ? values[0].next : values[2].oldest) ?? upto + 1n);
      const next = further < upto + 1n ? further : upto + 1n;
      if (next > expected) [lost, expected] = [lost + next - expected, next];
    }
  }
  if (first < expected) console.error(`gap ${first}..${expected - 1n} repaired` + (lost ? ` but for ${lost}` : ""));
}

while (left > 0) {
  const [message] = await live.receive();
  const { name, told, sequence, body } = open(message);
  if (name === "heartbeat" && expected > 0n) {
    await repair(BigInt(decode(body).topics[topic] ?? 0)); // so that a lost last message is noticed too
  } else if (name === topic && told >= epoch) {
    if (told > epoch && sequence < expected) console.error(`epoch ${told} uses ${sequence}..${expected - 1n} again`);
    expected = expected === 0n || (told > epoch && sequence < expected) ? sequence : expected;
    epoch = told;
    await repair(sequence - 1n);
    show({ sequence, body });
  }
}
