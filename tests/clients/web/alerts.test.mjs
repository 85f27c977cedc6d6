import assert from "node:assert/strict";
import { test } from "node:test";
import { permissionText } from "../../../clients/web/alerts/notices.js";
import { alertOf, conditionText, CONDITIONS, firingText, patternOf, stateOf } from "../../../clients/web/alerts/texts.js";

const form = { symbol: "EURUSD", condition: "above", value: "1.1", window: "300", name: "", note: "", repeat: false };
const price = { name: "n", symbol: "EURUSD", on: "price", side: "mid", above: 1.1, below: null, enabled: true, repeat: false, firings: 0 };

test("a condition says what is measured and in which unit", () => {
  assert.equal(conditionText(price), "mid at or above 1.1");
  assert.equal(conditionText({ ...price, on: "change", above: 1, below: -1, window_s: 300 }), "change of mid at or above 1 % or at or below −1 % in 5 min");
  assert.equal(conditionText({ ...price, on: "change", window_s: null }), "change of mid at or above 1.1 % since the day began");
  assert.equal(conditionText({ on: "spread", unit: "pips", above: 3 }), "spread at or above 3 pips");
  assert.equal(conditionText({ on: "stale", after_s: 90 }), "no tick for 90 s");
});

test("an alert that fired once, is off or has expired is not waiting", () => {
  const words = [price, { ...price, firings: 1 }, { ...price, firings: 1, repeat: true }, { ...price, firings: 1, symbol: "E*" }, { ...price, enabled: false }, { ...price, until_ms: 5 }];
  assert.deepEqual(words.map((row) => stateOf(row, 10).text), ["waiting", "fired", "waiting", "waiting", "off", "expired"]);
});

test("the form's values become the arguments of the broker's service", () => {
  assert.deepEqual(alertOf(form), { alert: { symbol: "EURUSD", on: "price", above: 1.1 } });
  assert.deepEqual(alertOf({ ...form, condition: "change", value: "-2", name: "m", note: "x", repeat: true }),
    { alert: { symbol: "EURUSD", name: "m", note: "x", repeat: true, on: "change", above: 2, below: -2, window_s: 300 } });
  assert.deepEqual(alertOf({ ...form, condition: "stale", value: "30" }), { alert: { symbol: "EURUSD", on: "stale", after_s: 30 } });
  assert.deepEqual(alertOf({ ...form, condition: "spread" }), { alert: { symbol: "EURUSD", on: "spread", unit: "pips", above: 1.1 } });
  for (const { name } of CONDITIONS) assert.ok(alertOf({ ...form, condition: name }).alert.on);
});

test("a value that is no number, and a missing symbol, are refused by name", () => {
  for (const value of ["", " ", "1,2", "high", "Infinity"]) assert.match(alertOf({ ...form, value }).why, /give a number/);
  assert.match(alertOf({ ...form, symbol: "" }).why, /symbol/);
});

test("a symbol is upper case but for its prefix", () => {
  assert.deepEqual([" eur/usd ", "kraken.btcusd", "eur*", "kraken.*"].map(patternOf), ["EURUSD", "kraken.BTCUSD", "EUR*", "kraken.*"]);
});

test("a firing says what was reached, and odd values are dashes", () => {
  assert.equal(firingText({ symbol: "X", on: "spread", value: 3.5, limit: 3, way: "above", unit: "pips" }), "X: spread 3.5 pips, at or above 3 pips");
  assert.equal(firingText({ symbol: "X", on: "stale", value: 30.25, unit: "s" }), "X: no tick for 30.25 s");
  assert.equal(firingText({ symbol: 5, on: "price", value: "x", limit: null, way: "above", unit: "price" }), "–: price –, at or above –");
});

test("the state of notifications is shown, and a button is there where it has an effect", () => {
  const world = (permission, wanted) => ({ Notification: { permission }, wanted: () => wanted });
  assert.deepEqual([world("default", false), world("granted", false), world("granted", true), world("denied", true), {}].map((of) => permissionText(of).action),
    ["Turn on", "Turn on", "Turn off", "", ""]);
});
