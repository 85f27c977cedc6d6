// Calls of an action in JavaScript: bus/PROTOCOL.md section 4.
//
//     npm install zeromq@6 @msgpack/msgpack@3
//     node call.mjs ipc://$run/frontend.ipc sums add 3
//
// Call N of COUNT has the arguments a N and b N. Prints `part VALUE`, then `reply VALUE` or `error CODE` of each.
import { randomBytes } from "node:crypto";
import { decode, encode } from "@msgpack/msgpack";
import { Dealer } from "zeromq";
import { connect } from "./hulak_connect.mjs";

const AGAIN_MS = 1000; // without an answer the request is sent again, under its id: the broker joins it with the one in progress
const GIVE_UP_MS = 60_000;
const [frontend, service, action, count] = process.argv.slice(2);
const dealer = new Dealer({ receiveTimeout: AGAIN_MS, linger: 0 });
connect(dealer, frontend);

// Returns the kind of the last answer, its value or code, and the parts.
async function call(args) {
  const id = randomBytes(16); // unique also over time
  const options = { timeout_ms: GIVE_UP_MS };
  const request = Buffer.concat([Buffer.from("Q"), encode([id, service, action, args, options])]);
  const deadline = performance.now() + GIVE_UP_MS;
  let parts = [];
  while (performance.now() < deadline) {
    await dealer.send(request);
    for (;;) {
      const [answer] = await dealer.receive().catch(() => []);
      if (!answer) break; // timeout
      const [kind, [answered, ...values]] = [String.fromCharCode(answer[0]), decode(answer.subarray(1), { useBigInt64: true })];
      if (answered === null || !id.equals(answered)) continue; // of an earlier call
      if (kind !== "P") return { kind, value: values[0], parts };
      if (values[0] === 1) parts = []; // another attempt sends its parts from the first one on
      parts.push(values[1]);
    }
  }
  return { kind: "E", value: "NO_ANSWER", parts };
}

for (let n = 1; n <= Number(count); n++) {
  const { kind, value, parts } = await call({ a: n, b: n });
  for (const part of parts) console.log(`part ${part}`);
  console.log(`${kind === "R" ? "reply" : "error"} ${value}`);
}
