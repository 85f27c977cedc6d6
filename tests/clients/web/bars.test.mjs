import assert from "node:assert/strict";
import { test } from "node:test";
import { BarSeries, barOf, barOfRow, Sparks } from "../../../clients/web/bars.js";
import { changeOf, changeText } from "../../../clients/web/paint_spark.js";
import { Streams } from "../../../clients/web/streams.js";

const row = (minute, close, more = {}) => ({
  topic: "bar.1m.X", symbol: "X", interval: "1m", start: minute * 60_000, bid: [1, 3, 1, 2], ask: null, mid: [2, 4, 2, close], ticks: 5, ...more,
});

test("a bar has the prices of mid, else of bid, else of ask; a row without prices is none", () => {
  assert.deepEqual(barOf(row(1, 3)), { symbol: "X", start: 60_000, open: 2, high: 4, low: 2, close: 3, ticks: 5 });
  assert.equal(barOf(row(1, 3, { mid: null })).close, 2);
  assert.equal(barOf(row(1, 3, { mid: [1, 2, 3], bid: "odd", ask: [5, 6, 4, 5], ticks: "many" })).close, 5);
  for (const odd of [{ mid: null, bid: null }, { start: null }, { start: 2 ** 53 - 1 }, { symbol: 7 }]) assert.equal(barOf(row(1, 3, odd)), null);
});

test("a series is in the order of time, has one bar of an interval, and is bounded", () => {
  const series = new BarSeries(3);
  const last = [2, 1, 2, 3, 4].map((minute, at) => series.take(barOf(row(minute, at))));
  assert.deepEqual(last, [true, false, true, true, true]);
  assert.deepEqual(series.bars.map(({ start, close }) => [start / 60_000, close]), [[2, 2], [3, 3], [4, 4]]);
});

test("the line of a symbol has the closes of the last hour, by the newest bar of all", () => {
  const sparks = new Sparks();
  assert.deepEqual(sparks.take([row(10, 1), row(50, 2), row(100, 3), row(40, 9, { symbol: "Y" }), { symbol: "Z" }]), new Set(["X", "Y"]));
  assert.deepEqual(sparks.line("X"), [[0, 2], [1, 3]]);
  assert.deepEqual([sparks.line("Y"), sparks.line("Z")], [[], []]);
  sparks.clear();
  sparks.take([row(0, 1), row(2, 2), row(4, 3)]);
  assert.deepEqual(sparks.line("X"), [[1 - 4 / 5, 1], [1 - 2 / 5, 2], [1, 3]], "a short history has five minutes");
  sparks.take([row(10, 4), row(-9999, 1, { symbol: "old.X" })]);
  assert.deepEqual(sparks.line("X")[0], [0, 1], "then all of it");
  sparks.clear();
  assert.deepEqual(sparks.line("X"), []);
});

test("a change has its sign and two decimals", () => {
  const change = (price, open) => changeText(changeOf({ price, open }));
  assert.deepEqual([change(101, 100), change(99, 100), change(100.001, 100), change(1, 0), change(null, 1)], ["+1.00%", "−1.00%", "0.00%", "–", "–"]);
});

function streams() {
  const sent = [];
  const calls = [];
  const all = new Streams((message) => sent.push(message), (() => {
    let id = 0;
    return () => (id += 1);
  })());
  const handlers = { began: () => calls.push("began"), rows: (rows, live) => calls.push([rows, live]), failed: (text, code) => calls.push([code, text]) };
  return { all, sent, calls, stop: all.read({ topic: "bar.1m.X", last: 9 }, handlers) };
}

test("a stream begins, passes its rows on, begins again on a new connection, and ends", () => {
  const { all, sent, calls, stop } = streams();
  all.take({ id: 1, rows: ["a"], live: false });
  all.restart();
  all.take({ id: 1, rows: ["old"], live: true });
  all.take({ id: 2, rows: ["b"], live: true });
  stop();
  stop();
  all.take({ id: 2, rows: ["late"], live: true });
  assert.deepEqual(calls, ["began", [["a"], false], "began", [["b"], true]]);
  assert.deepEqual(sent, [
    { type: "ticks.read", id: 1, topic: "bar.1m.X", last: 9 }, { type: "ticks.read", id: 2, topic: "bar.1m.X", last: 9 }, { type: "ticks.stop", id: 2 },
  ]);
});

test("an error ends the stream that it names, and no other", () => {
  const { all, calls } = streams();
  assert.equal(all.fail({ id: 5, code: "BUSY", text: "no" }), false);
  assert.equal(all.fail({ id: 1, code: "TOO_OLD", text: "it begins later" }), true);
  all.restart();
  assert.deepEqual(calls, ["began", ["TOO_OLD", "it begins later"]]);
});

test("older bars are put before those that are there, which stay, and beyond the bound the newest are left out", () => {
  const series = new BarSeries(5);
  const bar = (start, close) => ({ start, close });
  [bar(40, 1), bar(50, 1), bar(60, 1)].forEach((each) => series.take(each));
  assert.deepEqual(series.merge([bar(10, 2), bar(40, 2), bar(45, 2)]), { added: 2, isCut: false });
  assert.deepEqual(series.bars.map(({ start, close }) => [start, close]), [[10, 2], [40, 1], [45, 2], [50, 1], [60, 1]]);
  assert.deepEqual(series.merge([]), { added: 0, isCut: false });
  assert.deepEqual(series.merge([bar(5, 3)]), { added: 1, isCut: true });
  assert.deepEqual(series.bars.map(({ start }) => start), [5, 10, 40, 45, 50]);
  assert.deepEqual([series.at(45).close, series.at(46), series.at(99), series.at(1)], [2, undefined, undefined, undefined]);
});

test("a bar of an answer is six numbers", () => {
  assert.deepEqual(barOfRow("X", [1, 2, 4, 1, 3, 7]), { symbol: "X", start: 1, open: 2, high: 4, low: 1, close: 3, ticks: 7 });
  for (const row of [null, [], [1, 2, 3, 4, 5], [1, 2, null, 4, 5, 6], [1, 2, "3", 4, 5, 6]]) assert.equal(barOfRow("X", row), null);
});
