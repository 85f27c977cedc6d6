import assert from "node:assert/strict";
import { test } from "node:test";
import { backoff, Connection } from "../../../clients/web/connection.js";

/** A world whose time moves only in `pass`. */
function world() {
  const made = { at: 0, sockets: [], timers: new Map(), next: 1 };
  made.open = () => {
    const socket = { sent: [], closed: false, send: (text) => socket.sent.push(JSON.parse(text)), close: () => { socket.closed = true; } };
    made.sockets.push(socket);
    return socket;
  };
  made.now = () => made.at;
  made.random = () => 1;
  made.later = (call, ms) => {
    made.timers.set(made.next, { call, due: made.at + ms });
    return made.next++;
  };
  made.cancel = (timer) => made.timers.delete(timer);
  made.pass = (ms) => {
    const until = made.at + ms;
    for (;;) {
      const [id, timer] = [...made.timers].sort(([, one], [, other]) => one.due - other.due)[0] ?? [];
      if (!timer || timer.due > until) break;
      made.timers.delete(id);
      made.at = Math.max(made.at, timer.due);
      timer.call();
    }
    made.at = until;
  };
  return made;
}

function connected() {
  const here = world();
  const calls = { states: [], frames: [] };
  const connection = new Connection(here, {
    hello: () => {}, frame: (frame) => calls.frames.push(frame), status: (status) => calls.states.push(status.state),
  });
  connection.subscribe({ displays: ["*"] });
  connection.start();
  const receive = (message) => here.sockets.at(-1).onmessage({ data: JSON.stringify(message) });
  receive({ type: "hello", protocol: 1, silence: "gateway is silent for {} s" });
  return { here, calls, connection, receive };
}

test("waiting doubles up to 15 s, by chance between half of it and all", () => {
  assert.deepEqual([1, 2, 3, 6, 50].map((attempt) => backoff(attempt, () => 1)), [500, 1000, 2000, 15000, 15000]);
  assert.equal(backoff(3, () => 0), 1000);
});

test("nothing is sent on a socket that is closing, and a request on it fails when it is closed", async () => {
  const { here, connection } = connected();
  here.sockets[0].readyState = 2;
  const request = connection.request("config.get", {});
  assert.equal(here.sockets[0].sent.length, 1);
  here.sockets[0].onclose({ code: 1006 });
  await assert.rejects(request, { code: "NOT_CONNECTED" });
});

test("subscriptions are sent again after each reconnection", () => {
  const { here, connection, receive } = connected();
  assert.deepEqual(here.sockets[0].sent, [{ type: "subscribe", displays: ["*"] }]);
  here.sockets[0].onclose({ code: 1006 });
  assert.equal(connection.status.state, "reconnecting");
  here.pass(500);
  receive({ type: "hello", protocol: 1 });
  assert.equal(connection.status.state, "connected");
  assert.deepEqual(here.sockets[1].sent, [{ type: "subscribe", displays: ["*"] }]);
});

test("attempts have no limit, and the back-off is reset only after a lasting connection", () => {
  const { here, connection, receive } = connected();
  for (let attempt = 1; attempt <= 20; attempt++) {
    here.sockets.at(-1).onclose({ code: 1006 });
    assert.equal(connection.status.attempt, attempt);
    here.pass(backoff(attempt, () => 1));
  }
  assert.equal(here.sockets.length, 21);
  receive({ type: "hello" });
  here.pass(1000);
  here.sockets.at(-1).onclose({ code: 1006 });
  assert.equal(connection.attempt, 21, "a second is not lasting");
  here.pass(15000);
  receive({ type: "hello" });
  for (let second = 0; second < 6; second++) {
    here.pass(1000);
    receive({ type: "pong" });
  }
  here.sockets.at(-1).onclose({ code: 1006 });
  assert.equal(connection.attempt, 1);
});

test("without a login there is no attempt before the next login", async () => {
  const { here, calls, connection, receive } = connected();
  const request = connection.request("dead.list", {});
  here.sockets[0].onclose({ code: 4001, reason: "the token was revoked, or has expired" });
  assert.deepEqual([connection.status.state, connection.status.why], ["refused", "the token was revoked, or has expired"]);
  await assert.rejects(request, { code: "NOT_CONNECTED" });
  here.pass(60000);
  assert.equal(here.sockets.length, 1);
  connection.retry();
  assert.equal(here.sockets.length, 2);
  here.sockets[1].onclose({ code: 4001, reason: "" });
  assert.equal(connection.status.why, "the gateway requires a token");
  connection.retry();
  receive({ type: "hello", protocol: 1 });
  assert.equal(connection.status.state, "connected");
  assert.deepEqual(here.sockets[2].sent, [{ type: "subscribe", displays: ["*"] }]);
  assert.deepEqual(calls.states.filter((state) => state === "reconnecting"), []);
});

test("silence is answered by one ping, then reported in the words of the hello; a long silence counts as a dead connection", () => {
  const { here, connection, receive } = connected();
  here.pass(1000);
  assert.deepEqual([connection.status.state, here.sockets[0].sent.at(-1)], ["connected", { type: "ping", id: 0 }]);
  here.pass(1000);
  assert.deepEqual([connection.status.state, connection.status.why], ["stale", "gateway is silent for 2 s"]);
  assert.equal(here.sockets[0].sent.filter((message) => message.type === "ping").length, 1);
  receive({ type: "pong", id: 0 });
  assert.equal(connection.status.state, "connected");
  here.pass(8000);
  assert.equal(connection.status.state, "reconnecting");
  assert.match(connection.status.why, /is silent for 8 s/);
  assert.equal(here.sockets[0].closed, true);
});

test("a page that stood still reads first what has arrived, and blames no gateway", () => {
  const { here, calls, receive } = connected();
  here.pass(500);
  here.at += 5000; // in which no timer was called
  const arrives = here.later(() => receive({ type: "pong", id: 0 }), 0); // behind the check, before its repetition
  here.timers.get(arrives).due = here.at;
  here.pass(300);
  assert.deepEqual(calls.states.filter((state) => state === "stale"), []);
  here.pass(2000);
  assert.equal(calls.states.at(-1), "stale");
});

test("a handshake that hangs is given up", () => {
  const here = world();
  const connection = new Connection(here, { hello() {}, frame() {}, status() {} });
  connection.start();
  here.pass(9000);
  assert.equal(here.sockets[0].closed, true);
  assert.equal(here.sockets.length, 2);
});

test("messages of a former socket are ignored", () => {
  const { here, calls } = connected();
  const [former] = here.sockets;
  former.onclose({ code: 1006 });
  former.onmessage({ data: '{"type":"frame"}' });
  assert.deepEqual(calls.frames, []);
});

test("a request gets its own answer, or its error with its code", async () => {
  const { connection, receive } = connected();
  const [good, bad] = [connection.request("config.set", { scope: "global" }), connection.request("display.create", {})];
  receive({ type: "error", id: 2, code: "BAD_CONFIG", text: "must be above 0" });
  receive({ type: "answer", id: 1, value: { version: 4 } });
  assert.deepEqual(await good, { version: 4 });
  await assert.rejects(bad, { code: "BAD_CONFIG", message: "must be above 0" });
});

test("a request fails when its connection is lost, when none is there, and when no answer comes", async () => {
  const { here, connection, receive } = connected();
  const late = connection.request("a", {});
  for (let second = 0; second < 10; second++) {
    here.pass(1000);
    receive({ type: "pong" });
  }
  await assert.rejects(late, { code: "TIMEOUT" });
  const lost = connection.request("b", {});
  here.sockets[0].onclose({ code: 4002 });
  await assert.rejects(lost, { code: "NOT_CONNECTED", message: "this page was too slow" });
  await assert.rejects(connection.request("c", {}), { code: "NOT_CONNECTED" });
});

test("a person may try at once instead of waiting", () => {
  const { here, connection } = connected();
  here.sockets[0].onclose({ code: 1006 });
  connection.retry();
  connection.retry();
  assert.equal(here.sockets.length, 2);
  here.pass(600);
  assert.equal(here.sockets.length, 2, "the waiting was called off");
});
