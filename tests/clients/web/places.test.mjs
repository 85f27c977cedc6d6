import assert from "node:assert/strict";
import { test } from "node:test";
import { hintAt, regionsOf } from "../../../clients/web/hints.js";
import { layout } from "../../../clients/web/layout.js";
import { fontsFor, footTexts, headParts, viewOf } from "../../../clients/web/paint.js";
import { bodyLabels } from "../../../clients/web/paint_labels.js";
import { besideLine, fittingRow, overlap, placeHead, placeLabels } from "../../../clients/web/places.js";
import { palette, someState } from "./context.mjs";

const WIDE = 6; // px of each character

function view(state = {}, { width = 190, height = 240, ...more } = {}) {
  const box = layout(width, height);
  return viewOf({ name: "EURUSD", state: someState(state), width, height, palette, mark: "", fonts: fontsFor(box, palette, (_, text) => WIDE * text.length), ...more });
}

/** A source of numbers from 0 to 1 that are the same in every run. */
function numbers(seed) {
  let state = seed;
  return () => (state = (state * 16807) % 2147483647) / 2147483647;
}

test("a label takes its first free place, and is left out where none is free", () => {
  const label = (name, ...middles) => ({ name, x: 0, w: 10, h: 8, middles });
  const placed = placeLabels([label("a", 20), label("b", 24, 40), label("c", 41, 18)], [{ x: 5, y: 0, w: 1, h: 10 }]);
  assert.deepEqual(placed.map(({ name, box }) => [name, box.y]), [["a", 16], ["b", 36]]);
  assert.deepEqual(placeLabels([label("a", 8)], [{ x: 5, y: 0, w: 1, h: 10 }]), []);
});

test("a label is above or below its line, and never outside of the space beyond the body", () => {
  const box = { unit: 10, body: { y: 50, h: 100 } };
  assert.deepEqual(besideLine(100, -1, box).map(Math.round), [93, 107, 84, 116]);
  assert.deepEqual(besideLine(50, -1, box).map(Math.round), [43, 57, 66]);
  assert.deepEqual(besideLine(150, 1, box).map(Math.round), [157, 143, 134]);
});

test("no label of a picture lies on another or on the line of the price, the point of control or the TWAP", () => {
  const next = numbers(7);
  let [shown, wanted] = [0, 0];
  for (let round = 0; round < 2000; round++) {
    const at = () => [1.096, 1.104, 1.1, 1.096 + 0.008 * next()][Math.floor(next() * 4)];
    const [one, other] = [at(), at()];
    const picture = view({ high: Math.max(one, other), low: Math.min(one, other), price: at(), poc: at(), twap: at() }, next() < 0.5 ? {} : { width: 700, height: 480 });
    const boxes = bodyLabels(picture).map(({ box }) => box);
    const lines = ["price", "poc", "twap"].map((name) => ({ x: 0, w: 1000, y: picture.y(picture.state[name]) - 1, h: 2 }));
    boxes.forEach((box, index) => {
      assert.ok([...boxes.slice(0, index), ...lines].every((taken) => !overlap(box, taken)), JSON.stringify(picture.state));
      assert.ok(box.x >= 0 && box.x + box.w <= picture.width && box.y > picture.box.price.y && box.y + box.h <= picture.box.foot.y + 2);
    });
    shown += bodyLabels(picture).filter(({ text }) => /^[HLPT]/.test(text)).length;
    wanted += 4;
  }
  assert.ok(shown / wanted > 0.9, `${shown} of ${wanted} labels have a place`);
});

test("the high and the low of the day go before the names of the marks", () => {
  const all = bodyLabels(view({ high: 1.1, low: 1.1, poc: 1.1, twap: 1.1, price: 1.1 })).map(({ text }) => text.slice(0, 1));
  assert.deepEqual(all.slice(0, 2), ["H", "L"]);
});

test("a head shows name and ring, then the change, then the figure of the volatility, then more digits of the change", () => {
  const widths = { name: 60, ring: 16, figure: 22, changes: [40, 32] };
  const at = (room) => Object.values(placeHead(room, widths));
  assert.deepEqual(at(200), [60, 0, true]);
  assert.deepEqual(at(145), [60, 1, true]);
  assert.deepEqual(at(130), [60, 0, false]);
  assert.deepEqual(at(119), [60, 1, false]);
  assert.deepEqual(at(100), [60, -1, false]);
  assert.deepEqual(at(61), [40, -1, false], "a long name is made narrow");
  assert.deepEqual(placeHead(200, { ...widths, changes: [] }), { name: 60, change: -1, figure: true });
});

test("the name of one of two displays of a symbol never runs into the volatility", () => {
  for (let width = 120; width < 400; width += 7) {
    const picture = view({}, { name: "AUDCHF ·bb60", width });
    const { name, change, figureLeft } = headParts(picture);
    const end = picture.box.head.x + name.width;
    assert.ok(end <= figureLeft && (!change || (change.x >= end && change.x + change.width <= figureLeft)), `${width} px`);
  }
});

test("the foot names its figures where there is space, and has no range where there is no average", () => {
  const texts = (state, width) => footTexts(view(state, { width })).map(({ text }) => text);
  assert.deepEqual(texts({}, 400), ["ADR 50%", "spread 0.8 pips", "12 ticks/s"]);
  assert.deepEqual(texts({}, 190), ["ADR 50%", "0.8 pips", "12 ticks/s"]);
  assert.deepEqual(texts({}, 140), ["ADR 50%", "0.8 pips", "12/s"]);
  assert.deepEqual(texts({ adr_source: "day" }, 190), ["spread 0.8 pips", "12 ticks/s"]);
  assert.deepEqual(fittingRow([["long"], ["s"]], 0, (text) => text.length), ["s"]);
});

test("each figure of a picture has a hint below the pointer", () => {
  const picture = view({ source: "ldn" }, { width: 260 });
  const { box } = picture;
  const hint = (x, y) => hintAt(picture, x, y);
  const [head, price, foot] = [box.head.y + 5, box.price.y + 10, box.foot.y + 5];
  assert.equal(hint(box.head.x + 2, head), "EURUSD, source: ldn");
  assert.match(hint(headParts(picture).change.x + 2, head), /^change since the open of the day, 1\.09900$/);
  assert.match(hint(box.head.x + box.head.w - 3, head), /^volatility 1\.50, at most 3/);
  assert.match(hint(box.price.x + 2, price), /^price 1\.10000: big figure, pips and pipette; bid 1\.10000, ask 1\.10008$/);
  assert.match(hint(box.price.x + box.price.w / 2, price), /last hour/);
  assert.match(hint(box.price.x + box.price.w - 2, price), /^▲ direction/);
  for (const [part, what] of footTexts(picture).map((text, at) => [text, [/average daily range/, /^spread/, /^ticks per second/][at]])) assert.match(hint(part.x + 2, foot), what);
  for (const { box: place, what } of bodyLabels(picture)) assert.equal(hint(place.x + 1, place.y + 1), what);
  assert.match(hint(box.body.x + 20, box.body.y + 5), /^sells/);
  assert.match(hint(box.axis + 20, box.body.y + 12), /^buys/);
  assert.equal(hint(0, 0), "");
});

test("a picture out of date or without ticks has no hint of figures that it does not show", () => {
  const late = view({}, { mark: "stale, 12 s old" });
  assert.equal(hintAt(late, late.box.foot.x + 2, late.box.foot.y + 4), "out of date: stale, 12 s old");
  assert.deepEqual(regionsOf(view({ ready: false })), []);
});
