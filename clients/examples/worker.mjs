// A worker in JavaScript: bus/PROTOCOL.md section 5. It serves the action `add` of a service, until it is retired.
//
//     npm install zeromq@6 @msgpack/msgpack@3
//     node worker.mjs ipc://$run/backend.ipc sums
//     hulak task call sums add '{"a": 1, "b": 2}'
//
// With an argument `ms` the sum takes that long: a long task that is held, while the worker sends heartbeats.
import { randomBytes } from "node:crypto";
import { decode, encode } from "@msgpack/msgpack";
import { Dealer } from "zeromq";
import { connect } from "./hulak_connect.mjs";

const BEAT_MS = 250;
const [backend, service] = process.argv.slice(2);
const name = `javascript/${process.pid}/${randomBytes(3).toString("hex")}`; // another one after each start
const dealer = new Dealer({ receiveTimeout: 10, linger: 1000 }); // ms
const held = new Map(); // id in hex -> task: its result is sent once it is due and the broker knows the worker
let epoch = null;
let known = false;
let retired = false;
connect(dealer, backend);

const say = (kind, ...values) => dealer.send(Buffer.concat([Buffer.from(kind), encode(values, { useBigInt64: true })]));
const names = () => [...held.values()].map(({ id, attempt }) => [id, attempt]);
const ready = () => say("Y", service, name, retired ? 0 : 1, names(), { pid: process.pid });

async function take(kind, values) {
  if (kind === "H") {
    const [seen, isKnown] = values;
    known = isKnown && (epoch === null || epoch === seen);
    if (!known) await ready(); // the broker answers with HEARTBEAT
    epoch = seen;
  } else if (kind === "T" && !retired) { // else the broker gives it to another worker
    begin(...values);
  } else if (kind === "X") {
    retired = true;
  }
}

// 64-bit numbers come as BigInt: a Number is exact up to 2^53 only.
const isWhole = (number) => typeof number === "bigint" || Number.isInteger(number);
const add = (a, b) => (isWhole(a) && isWhole(b) ? BigInt(a) + BigInt(b) : Number(a) + Number(b));

function begin(id, attempt, action, args) {
  const done = action === "add";
  const value = done ? add(args.a, args.b) : { code: "UNKNOWN_ACTION", text: `action ${action} is unknown, must be add` };
  held.set(Buffer.from(id).toString("hex"), { id, attempt, due: performance.now() + Number(args.ms ?? 0), done, value });
}

async function finish() {
  for (const [key, { id, attempt, due, done, value }] of held) {
    if (!known || due > performance.now()) continue;
    await say("R", id, attempt, done, value);
    held.delete(key);
  }
}

await ready();
for (let beatAt = 0; !retired || held.size > 0; ) {
  const [frame] = await dealer.receive().catch(() => []); // nothing within the time limit
  if (frame) await take(String.fromCharCode(frame[0]), decode(frame.subarray(1), { useBigInt64: true }));
  await finish();
  if (performance.now() < beatAt) continue;
  await say("H", names(), null);
  beatAt = performance.now() + BEAT_MS;
}
await say("G", "retired");
dealer.close();
