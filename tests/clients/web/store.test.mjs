import assert from "node:assert/strict";
import { test } from "node:test";
import { ageOf, appliedBy, applyFrame, cpuShares, createStore, dropLapsed, lapse, marketOf, nameOf, processesOf, silentFeedOf } from "../../../clients/web/store.js";
import { marketTexts } from "../../../clients/web/marks.js";
import { someState } from "./context.mjs";

const frame = (more) => ({ type: "frame", sent_ms: 6000, ...more });
const profile = { bucket: 0.0001, ticks: 3, levels: [[11000, 2, 1, 1], [11001, 1, 1, 0]] };

function storeWith(state = someState(), more = { profile }) {
  const store = createStore();
  applyFrame(store, frame({ displays: { a: { ...state, ...more } } }), 100);
  return store;
}

test("a display in its first frame is added, with its complete profile", () => {
  const store = createStore();
  const news = applyFrame(store, frame({ displays: { a: { ...someState(), profile } } }), 100);
  assert.deepEqual([news.added, news.changed, news.broken], [["a"], ["a"], []]);
  assert.deepEqual([...store.displays.get("a").profile.levels], [[11000, [2, 1, 1]], [11001, [1, 1, 0]]]);
  assert.equal("profile" in store.displays.get("a").state, false);
});

test("a delta changes, adds and takes away levels, and nothing else of the profile", () => {
  const store = storeWith();
  const before = store.displays.get("a").profile.version;
  const delta = { ticks: 9, levels: [[11000, 3, 2, 1], [11002, 1, 0, 1], [11001, 0, 0, 0]] };
  applyFrame(store, frame({ displays: { a: { ...someState(), profile_delta: delta } } }), 101);
  const after = store.displays.get("a").profile;
  assert.deepEqual([...after.levels], [[11000, [3, 2, 1]], [11002, [1, 0, 1]]]);
  assert.deepEqual([after.bucket, after.ticks, after.version > before], [0.0001, 9, true]);
});

test("a display finds its market by the source of its ticks", () => {
  const store = storeWith(someState({ source: "nepse" }));
  assert.equal(marketOf(store, store.displays.get("a")), undefined);
  applyFrame(store, frame({ markets: { "np.nepse": { market: "nepse", state: "closed" } } }), 101);
  assert.equal(marketOf(store, store.displays.get("a")).state, "closed");
});

test("values of a market that are no text and no number are left out", () => {
  const store = storeWith(someState({ source: "nepse" }));
  const odd = { toString: 1 };
  applyFrame(store, frame({ markets: { nepse: { market: odd, state: odd, pause_s: "long", next_opening: odd } } }), 101);
  const market = marketOf(store, store.displays.get("a"));
  assert.deepEqual([market.market, market.state, market.pause_s], ["nepse", "unknown", 0]);
  assert.deepEqual(marketTexts(store.markets), [{ text: "NEPSE unknown", tone: "calm", all: "" }]);
});

test("a state without a profile leaves the profile as it was", () => {
  const store = storeWith();
  const kept = store.displays.get("a").profile;
  applyFrame(store, frame({ displays: { a: someState({ price: 1.2 }) } }), 101);
  assert.equal(store.displays.get("a").profile, kept);
  assert.equal(store.displays.get("a").state.price, 1.2);
});

test("a delta without a profile, or of another bucket, is reported as broken", () => {
  const none = storeWith(someState(), {});
  const delta = { ticks: 9, levels: [] };
  assert.deepEqual(applyFrame(none, frame({ displays: { a: { ...someState(), profile_delta: delta } } }), 101).broken, ["a"]);
  const other = { ...delta, bucket: 0.5 };
  assert.deepEqual(applyFrame(storeWith(), frame({ displays: { a: { ...someState(), profile_delta: other } } }), 101).broken, ["a"]);
});

test("only a newer tick of a display that was followed measures the way to the pixel", () => {
  const store = storeWith();
  const moved = (state) => {
    applyFrame(store, frame({ displays: { a: state } }), 200);
    return store.displays.get("a").moved;
  };
  assert.equal(store.displays.get("a").moved, false, "the state on joining may be old");
  assert.equal(moved(someState({ received_ms: 5100 })), true);
  assert.equal(moved(someState({ received_ms: 5100, config_version: 3 })), false, "the same tick again");
  assert.equal(moved(someState({ received_ms: 5200, catching_up: true })), false);
  lapse(store);
  assert.equal(moved(someState({ received_ms: 5300 })), false, "the first one after a lost connection");
  assert.equal(moved(someState({ received_ms: 5400 })), true);
});

test("an age counts on from what the gateway said, and compares no clocks of two machines", () => {
  const store = storeWith(someState({ received_ms: 5000 })); // sent at 6000: one second old when it came, at 100 here
  assert.equal(ageOf(store.displays.get("a"), 100), 1);
  assert.equal(ageOf(store.displays.get("a"), 2600), 3.5);
  assert.ok(Number.isNaN(ageOf({ agedMs: NaN, arrived: 0 }, 10)));
});

test("displays that share a symbol are called by the end of their ids too", () => {
  const store = storeWith();
  applyFrame(store, frame({ displays: { "b-1234": someState(), c: someState({ symbol: "USDJPY" }) } }), 101);
  const names = () => [...store.displays.values()].map(nameOf);
  assert.deepEqual(names(), ["EURUSD ·a", "EURUSD ·1234", "USDJPY"]);
  applyFrame(store, frame({ removed: ["a"] }), 102);
  assert.deepEqual(names(), ["EURUSD", "USDJPY"]);
});

test("displays that are removed, or have no state after a reconnection, are deleted", () => {
  const store = storeWith();
  applyFrame(store, frame({ displays: { b: someState(), c: someState() } }), 100);
  assert.deepEqual(applyFrame(store, frame({ removed: ["c", "unknown"] }), 101).removed, ["c"]);
  lapse(store);
  applyFrame(store, frame({ displays: { a: someState() } }), 102);
  assert.deepEqual(dropLapsed(store), ["b"]);
  assert.deepEqual([...store.displays.keys()], ["a"]);
});

test("processor shares come from two statistics; a process that is new has none", () => {
  const at = (cpu_s, more = []) => ({ processes: [{ kind: "feed", name: "x", pid: 1, cpu_s }, ...more] });
  const shares = cpuShares(at(1), at(1.5, [{ kind: "feed", name: "y", pid: 2, cpu_s: 9 }]), 2);
  assert.deepEqual([...shares], [["feed/x/1", 0.25]]);
  assert.equal(cpuShares(null, at(1), 0).size, 0);
});

test("every process is listed once: the broker, those that report, and workers that only send heartbeats", () => {
  const stats = {
    broker: { pid: 1, rss_bytes: 5 },
    processes: [{ kind: "display", name: "d", pid: 2, age_s: 0.2 }],
    workers: [{ name: "d", service: "display", pid: 2 }, { name: "n", service: "nepse", pid: 3, age_s: 99 }],
  };
  assert.deepEqual(processesOf(stats).map((one) => [one.kind, one.pid]), [["broker", 1], ["display", 2], ["nepse", 3]]);
});

test("a process that the judge calls silent is not waited for, and displays of its source are marked", () => {
  const stats = { processes: [{ kind: "feed", name: "x", pid: 1, config_version: 3, source: "x" }, { kind: "b", name: "y", pid: 2, config_version: 4 }] };
  const store = { stats, health: { silent: [{ kind: "feed", name: "x", pid: 1, title: "feed x" }] } };
  assert.deepEqual(appliedBy(store, 4).behind, []);
  const display = (source) => ({ state: { source } });
  assert.deepEqual([silentFeedOf(store, display("x")), silentFeedOf(store, display("y"))], ["feed x is silent", ""]);
  stats.processes.push({ kind: "feed", name: "x2", pid: 3, source: "x" });
  assert.equal(silentFeedOf(store, display("x")), "", "another feed has the source");
});

test("processes that have not applied a version are named; those without a version are not counted", () => {
  const stats = { processes: [{ kind: "a", pid: 1, config_version: 4 }, { kind: "b", pid: 2, config_version: 3 }, { kind: "c", pid: 3 }] };
  const { applied, behind } = appliedBy({ stats, health: null }, 4);
  assert.deepEqual([applied.map((one) => one.kind), behind.map((one) => one.kind)], [["a"], ["b"]]);
});
