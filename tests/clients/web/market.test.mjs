import assert from "node:assert/strict";
import { test } from "node:test";
import { amount, change, price, shares, stateText, troubleText } from "../../../clients/web/market/texts.js";

test("amounts of rupees are in lakh and crore", () => {
  assert.deepEqual([1_234_567_890, 250_000, 999, NaN].map(amount), ["123.46 crore", "2.50 lakh", "999", "–"]);
  assert.equal(price(1234.5), "1,234.50");
});

test("a change has a sign and an arrow in addition to its colour", () => {
  assert.deepEqual([1.5, -2, 0, null].map((value) => change(value, " %")), [
    { text: "▲ +1.50 %", tone: "up" }, { text: "▼ −2.00 %", tone: "down" }, { text: "0.00 %", tone: "" }, { text: "–", tone: "" },
  ]);
});

test("the state has the time of its data or the next opening; without a feed it says what to start", () => {
  const at = (ms) => `t${ms}`;
  assert.deepEqual(stateText({ state: "open", as_of: 5 }, at), { text: "open, data of t5", tone: "good" });
  assert.equal(stateText({ state: "closed", as_of: null, next_opening: 9 }, at).text, "closed, opens t9");
  assert.match(stateText(undefined, at).text, /hulak feed --venue nepse/);
});

test("a list without a worker says what to start, any other trouble is shown", () => {
  assert.match(troubleText({ code: "TIMEOUT", message: "x" }), /hulak up/);
  assert.match(troubleText({ code: "BUSY", message: "later" }), /later/);
});

test("shares of advances and declines are of all securities, and of none when there are none", () => {
  assert.deepEqual(shares({ advances: 3, declines: 1, unchanged: 0 }).map(({ share }) => share), [75, 0, 25]);
  assert.deepEqual(shares({ advances: 0, declines: 0, unchanged: 0 }).map(({ share }) => share), [0, 0, 0]);
});
