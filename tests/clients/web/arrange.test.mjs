import assert from "node:assert/strict";
import { test } from "node:test";
import { arrange } from "../../../clients/web/arrange.js";
import { someState } from "./context.mjs";

const displays = [
  ["b", { symbol: "USDJPY", price: 99, open: 100, source: "fx" }], ["a", { symbol: "EURUSD", price: 101, open: 100, source: "fx" }],
  ["c", { symbol: "NABIL", price: 104, open: 100, source: "nepse" }], ["d", { symbol: "NICA", price: null, open: null, source: "nepse" }],
  ["e", { symbol: "kraken.BTCUSD", price: 100.5, open: 100, source: "kraken" }],
].map(([id, state]) => ({ id, state: someState(state) }));
const wanted = (more) => ({ text: "", order: "symbol", group: "none", ...more });
const ids = (more) => arrange(displays, wanted(more)).flatMap((group) => group.ids);

test("displays are sorted by symbol, or by a figure with the largest first and those without one last", () => {
  assert.deepEqual(ids({}), ["a", "c", "d", "b", "e"]);
  assert.deepEqual(ids({ order: "change" }), ["c", "a", "e", "b", "d"]);
  assert.deepEqual(ids({ order: "move" }), ["c", "a", "b", "e", "d"]);
  assert.deepEqual(ids({ order: "unknown" }), ids({}));
});

test("a search takes every word, in any case, of symbol, id and venue", () => {
  assert.deepEqual(ids({ text: "usd" }), ["a", "b", "e"]);
  assert.deepEqual(ids({ text: "eur/usd" }), ["a"]);
  assert.deepEqual(ids({ text: "usd FX" }), ["a", "b"]);
  assert.deepEqual(ids({ text: "xyz" }), []);
});

test("groups are by venue, or by the currency of a pair", () => {
  assert.deepEqual(arrange(displays, wanted({ group: "source" })), [
    { name: "fx", ids: ["a", "b"] }, { name: "kraken", ids: ["e"] }, { name: "nepse", ids: ["c", "d"] },
  ]);
  assert.deepEqual(arrange(displays, wanted({ group: "currency" })).map(({ name, ids: those }) => [name, ...those]), [
    ["JPY", "b"], ["USD", "a", "e"], ["other", "c", "d"],
  ]);
});
