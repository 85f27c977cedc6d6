// A subscriber in JavaScript that repairs its gaps: bus/PROTOCOL.md sections 3, 4 and 7.3.
//
//     npm install zeromq@6 @msgpack/msgpack@3
//     run=$HOME/.local/state/hulak/run
//     node subscriber.mjs ipc://$run/publisher.ipc ipc://$run/frontend.ipc tick.EURUSD 100 [RECEIVE_HWM]
//
// Prints `sequence bid ask` of COUNT ticks: in order, without duplicates or gaps. Repaired gaps are reported on standard error.
import { randomBytes } from "node:crypto";
import { decode, encode } from "@msgpack/msgpack";
import { Dealer, Subscriber } from "zeromq";
import { connect } from "./hulak_connect.mjs";

const [publisher, frontend, topic, count, receiveHwm = "100000"] = process.argv.slice(2);
const live = new Subscriber({ receiveHighWaterMark: Number(receiveHwm) }); // libzmq's default of 1,000 is less than a burst
live.setInt32Option(23, 0); // ZMQ_SNDHWM, unnamed in this binding: else subscriptions beyond 1,000 are dropped
const dealer = new Dealer({ receiveTimeout: 1000, linger: 0 }); // ms; without an answer the request is repeated
connect(live, publisher);
live.subscribe(topic + "\0", "heartbeat\0"); // without the NUL, tick.EURUSDX would match too
connect(dealer, frontend);

let remaining = Number(count); // ticks to print
// the epoch, the next sequence (0 before the first), and ticks lost in the current gap: as BigInt, since Number ends at 2^53
let [epoch, expected, lost] = [0n, 0n, 0n];
const least = (a, b) => (a < b ? a : b);

// topic NUL epoch sequence time_ns body
function open(frame) {
  const cut = frame.indexOf(0);
  const [seen, sequence] = [frame.readBigUInt64BE(cut + 1), frame.readBigUInt64BE(cut + 9)];
  return { name: frame.toString("ascii", 0, cut), seen, sequence, body: frame.subarray(cut + 25) };
}

// Prints a new tick; it is the next one, or the ticks before it are no longer available.
function show({ seen, sequence, body }) {
  if (remaining === 0 || sequence < expected || seen > epoch) return;
  const { bid, ask } = decode(body);
  console.log(`${sequence} ${bid} ${ask}`);
  lost += sequence - expected;
  expected = sequence + 1n;
  remaining -= 1;
}

// Requests ticks again, until there is an answer; returns them, and the first number that is not covered.
async function replay(from, to) {
  for (;;) {
    const [request, ticks] = [randomBytes(16), []];
    const values = [request, "hulak.replay", "", { topic, from, to }, {}];
    await dealer.send(Buffer.concat([Buffer.from("Q"), encode(values, { useBigInt64: true })]));
    for (;;) {
      const [answer] = await dealer.receive().catch(() => []);
      if (!answer) break; // timeout
      const [kind, [id, ...values]] = [String.fromCharCode(answer[0]), decode(answer.subarray(1))];
      if (id === null || !request.equals(id) || (kind === "E" && values[0] === "BUSY")) continue;
      if (kind === "P") {
        ticks.push(...values[1].map(([, frame]) => open(Buffer.from(frame))));
      } else { // REPLY or ERROR: nothing before `further` is available
        return { ticks, further: least(BigInt((kind === "R" ? values[0].next : values[2].oldest) ?? to + 1n), to + 1n) };
      }
    }
  }
}

// Prints all missing ticks up to `last`; live ticks wait meanwhile, and an overflow is the next gap.
async function repair(last) {
  const first = expected;
  lost = 0n;
  while (expected <= last && remaining > 0) {
    const { ticks, further } = await replay(expected, least(last, expected + BigInt(remaining) - 1n));
    ticks.forEach(show);
    if (further > expected) [lost, expected] = [lost + further - expected, further];
  }
  if (first < expected) console.error(`gap ${first}..${expected - 1n} repaired` + (lost ? ` but for ${lost}` : ""));
}

// A larger epoch, whose newest number is `last`, may use numbers before it again: goes back to the first of them.
async function goBack(seen, last) {
  const before = expected;
  expected = least(expected, last + 1n);
  while (epoch > 0n && expected > 1n) {
    const { ticks } = await replay(expected - 1n, expected - 1n);
    if (ticks.length === 0 || ticks[0].seen <= epoch) break; // it has been seen
    expected -= 1n;
  }
  if (expected < before) console.error(`epoch ${seen} uses ${expected}..${before - 1n} again`);
  epoch = seen;
}

while (remaining > 0) {
  const tick = open((await live.receive())[0]);
  const isTick = tick.name === topic;
  const newest = isTick ? tick.sequence : BigInt((tick.name === "heartbeat" && decode(tick.body).topics[topic]) || 0);
  if (newest === 0n || tick.seen < epoch || !(isTick || expected)) continue; // a heartbeat reveals a lost last message too
  if (expected === 0n) expected = newest;
  const last = isTick ? newest - 1n : newest;
  if (tick.seen > epoch) await goBack(tick.seen, last);
  await repair(last);
  if (isTick) show(tick);
}
