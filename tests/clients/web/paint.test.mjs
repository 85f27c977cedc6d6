import assert from "node:assert/strict";
import { test } from "node:test";
import { Latency, quantile } from "../../../clients/web/latency.js";
import { layout, priceScale, profileRows } from "../../../clients/web/layout.js";
import { fontsFor, paintFront, paintGround, viewOf } from "../../../clients/web/paint.js";
import { flashStrength } from "../../../clients/web/paint_flash.js";
import { orb } from "../../../clients/web/paint_orb.js";
import { rowEdges } from "../../../clients/web/paint_profile.js";
import { tierPrices } from "../../../clients/web/paint_range.js";
import { paintSpark } from "../../../clients/web/paint_spark.js";
import { notingContext, palette, someState } from "./context.mjs";

const profile = () => ({ bucket: 0.0001, ticks: 30, version: 1, levels: new Map([[11000, [10, 8, 2]], [10950, [4, 1, 3]], [11050, [6, 2, 4]]]) });

function painted(more = {}, state = someState()) {
  const context = notingContext();
  const box = layout(190, 210);
  const view = viewOf({
    name: state.symbol, state, profile: profile(), width: 190, height: 210, palette, fonts: fontsFor(box, palette, (_, text) => 6 * text.length), mark: "", flash: 0, ratio: 1, ...more,
  });
  paintGround(context, view);
  paintFront(context, view);
  const named = (name) => context.calls.filter(([method]) => method === name);
  return { calls: context.calls, named, texts: named("fillText").map((call) => call[2]), alpha: context.globalAlpha };
}

test("everything of a picture lies inside it, at every size", () => {
  for (const [width, height] of [[150, 180], [190, 210], [420, 300], [900, 560], [60, 60]]) {
    const box = layout(width, height);
    for (const part of [box.head, box.price, box.body, box.foot]) {
      assert.ok(part.x >= 0 && part.x + part.w <= width && part.w > 0 && part.h > 0, `${width}x${height}`);
    }
    assert.ok(box.axis > box.body.x && box.axis < box.body.x + box.body.w);
  }
});

test("prices map to y from top to bottom, and stay in the box", () => {
  const y = priceScale(1, 2, { y: 10, h: 100 });
  assert.deepEqual([y(2), y(1.5), y(1), y(3), y(0)], [10, 60, 110, 10, 110]);
  assert.equal(priceScale(1, 1, { y: 10, h: 100 })(1), 60);
  assert.equal(priceScale(null, null, { y: 10, h: 100 })(1), 60);
});

test("no volume is lost or counted twice when levels are gathered into rows", () => {
  const levels = new Map(Array.from({ length: 500 }, (_, at) => [at, [3, 2, 1]]));
  const { buy, sell, rows, largest } = profileRows({ bucket: 0.01, levels }, 0, 5, 37);
  assert.equal(rows, 37);
  assert.deepEqual([sum(buy), sum(sell)], [1000, 500]);
  assert.equal(largest, Math.max(...buy));
});

test("a row is as high as a level where there are few, and levels outside of the picture are left out", () => {
  const few = profileRows({ bucket: 1, levels: new Map([[0, [1, 1, 0]], [3, [1, 0, 1]], [40, [9, 9, 0]]]) }, 0, 4, 100);
  assert.deepEqual([few.rows, [...few.buy], [...few.sell]], [4, [0, 0, 0, 1], [1, 0, 0, 0]]);
  assert.equal(profileRows({ bucket: 1, levels: new Map() }, 2, 2, 100).largest, 0);
});

test("rows begin on whole device pixels", () => {
  for (const ratio of [1, 1.5, 2]) {
    const { edges } = rowEdges({ y: 71.3, h: 97.9 }, 31, ratio);
    assert.ok(edges.every((edge, at) => Math.abs(edge * ratio - Math.round(edge * ratio)) < 1e-9 && (at === 0 || edge > edges[at - 1])));
  }
});

test("tiers lie about the middle of the projected range", () => {
  const tiers = tierPrices({ adr_high: 110, adr_low: 100 });
  assert.deepEqual(tiers.filter((tier) => tier.share > 0).map((tier) => tier.price), [106.5, 107.5, 108.75, 110]);
  assert.deepEqual(tierPrices({ adr_high: 1, adr_low: 1 }), []);
  assert.deepEqual(tierPrices({ adr_high: 110, adr_low: 100, adr_source: "day" }), []);
});

test("a picture shows price, direction, range, profile, levels and orb", () => {
  const { texts, named } = painted({}, someState({ visual_low: 1.094, visual_high: 1.106 }));
  for (const text of ["EURUSD", "1.10", "00", "0", "▲", "H 1.10200", "L 1.09800", "POC", "TW", "1.50", "ADR 50%", "0.8 pips", "12 ticks/s"]) {
    assert.ok(texts.includes(text), `${text} in ${texts}`);
  }
  const bars = named("fillRect").map((call) => call[1]);
  for (const colour of ["upFaint", "downFaint", "upTrace", "downTrace"]) assert.ok(bars.includes(colour), colour);
  assert.ok(named("arc").length >= 3);
});

test("sells are drawn to the left of the axis and buys to its right", () => {
  const { named } = painted();
  const { axis } = layout(190, 210);
  const bars = named("fillRect").filter(([, colour]) => /^(up|down)(Faint|Trace)$/.test(colour));
  const sides = new Set(bars.map(([, colour, x, , width]) => `${colour.slice(0, 2)} ${x + width <= axis ? "left" : x >= axis ? "right" : "both"}`));
  assert.deepEqual([...sides].sort(), ["do left", "up right"]);
});

test("a picture that may be out of date says so, is pale, and tells no figures of now in its foot", () => {
  const { texts, alpha } = painted({ mark: "stale, 12 s old" });
  assert.ok(texts.includes("stale, 12 s old") && !texts.some((text) => text.includes("/s")));
  assert.equal(alpha, 1, "the rest is not pale");
});

test("the foot of a display says that its market is closed, in place of its rate", () => {
  const nepse = someState({ digits: 2, tick_size: 0.1, spread: 0, ticks_per_s: 0 });
  const closed = painted({ market: { state: "closed" } }, nepse).texts;
  assert.ok(closed.includes("closed") && closed.includes("last") && !closed.some((text) => text.endsWith("pips") || text.endsWith("/s")));
  assert.ok(painted({ market: { state: "open" } }, nepse).texts.includes("0.0 ticks/s"));
});

test("a display that has had no tick is drawn as waiting, one that knows little without figures made up", () => {
  assert.deepEqual(painted({ profile: null }, { symbol: "EURUSD", ready: false }).texts, ["EURUSD", "waiting for ticks"]);
  const poor = someState({ adr_high: null, adr_low: null, visual_high: null, visual_low: null, twap: null, poc: null, value_area: null, spread: null });
  const { calls, texts } = painted({ profile: null }, poor);
  assert.ok(texts.every((text) => !/NaN|undefined|null/.test(text)), String(texts));
  assert.ok(calls.every((call) => call.slice(2).every((value) => typeof value !== "number" || Number.isFinite(value))));
});

test("a flash fades, stands still where motion is not wanted, and ends either way", () => {
  assert.deepEqual([0, 300, 600, -1].map((at) => flashStrength(at, false)), [1, 0.5, 0, 0]);
  assert.deepEqual([0, 300, 600].map((at) => flashStrength(at, true)), [1, 1, 0]);
  assert.equal(painted({ flash: 1 }, someState({ flash: { direction: "down", magnitude: 2, id: 1 } })).named("strokeRect")[0][1], "down");
  assert.equal(painted({ flash: 0 }).named("strokeRect").length, 0);
});

test("the orb's arc is the intensity, its core the volatility", () => {
  const [calm, wild] = [orb(someState({ volatility: 0.1, volatility_intensity: 0.03 }), 10), orb(someState({ volatility: 3, volatility_intensity: 0.86 }), 10)];
  assert.ok(wild.end > calm.end && wild.core > calm.core && wild.hot && !calm.hot && wild.core < 10);
});

test("latency is read over the window only, and frames are counted a second", () => {
  const latency = new Latency(10000);
  for (let at = 1; at <= 20000; at++) {
    if (at % 20 === 0) latency.frame(at, 2);
    if (at % 100 === 0) latency.painted(at, at <= 10000 ? 9999 : 1 + ((at / 100) % 100));
  }
  const values = latency.read(20000);
  assert.deepEqual([values.p50, values.p99, values.max, values.count], [51, 100, 9999, 101]);
  assert.ok(Math.abs(values.fps - 50) < 0.2 && Math.abs(values.painted - 100) < 0.5, JSON.stringify(values));
  latency.reset();
  assert.deepEqual([latency.read(20000).count, latency.read(20000).fps], [0, 0]);
  assert.ok(Number.isNaN(quantile([], 0.5)));
});

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

test("the line of the last hour is between the price and the arrow, and is left out where there is no space", () => {
  const fonts = fontsFor(layout(190, 210), palette, (_, text) => 6 * text.length);
  const drawn = (more, width = 190) => {
    const context = notingContext();
    paintSpark(context, { state: someState(), box: layout(width, 210), fonts, palette, spark: [[0, 1.1], [0.5, 1.3], [1, 1.2]], ...more });
    return context.calls.filter(([method]) => ["moveTo", "lineTo", "stroke"].includes(method)).map(([method, colour, ...at]) => [method, method === "stroke" ? colour : at.map(Math.round)]);
  };
  const { price } = layout(190, 210);
  const [left, right] = [price.x + 7 * 6 + 6, price.x + price.w - price.h * 0.5 - 4];
  const y = (share) => Math.round(price.y + price.h * (0.85 - 0.7 * share));
  assert.deepEqual(drawn({}), [
    ["moveTo", [Math.round(left), y(0)]], ["lineTo", [Math.round((left + right) / 2), y(1)]], ["lineTo", [Math.round(right), y(0.5)]], ["stroke", "up"],
  ]);
  assert.deepEqual(drawn({ spark: [[0, 1.2], [1, 1.1]] }).at(-1), ["stroke", "down"]);
  assert.deepEqual([drawn({ spark: [] }), drawn({}, 100)], [[], []]);
});

test("the change since the open is beside the name, where it does not run into the volatility", () => {
  assert.ok(painted().texts.includes("+0.09%"));
  assert.ok(!painted({ name: "A".repeat(30) }).texts.includes("+0.09%"));
});
