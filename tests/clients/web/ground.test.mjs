/** The ground of a picture: painted again when it would be wrong, and seldom otherwise; the loop catches up with it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Ground, GROUND_MS } from "../../../clients/web/ground.js";
import { Latency } from "../../../clients/web/latency.js";
import { layout } from "../../../clients/web/layout.js";
import { fontsFor, viewOf } from "../../../clients/web/paint.js";
import { bodyLabels } from "../../../clients/web/paint_labels.js";
import { createStore } from "../../../clients/web/store.js";
import { notingContext, palette, someState } from "./context.mjs";

const SIZE = { width: 190, height: 210 };

function fakeCanvas() {
  const context = notingContext();
  return { width: 0, height: 0, style: {}, context, getContext: () => context };
}

function view(state = {}, more = {}) {
  const box = layout(SIZE.width, SIZE.height);
  const fonts = fontsFor(box, palette, (_, text) => 6 * text.length);
  return viewOf({ name: "EURUSD", state: someState(state), profile: null, ...SIZE, palette, box, fonts, mark: "", flash: 0, ratio: 1, ...more });
}

test("a ground is wrong for another scale, mark or name, and for a price of another length or big figure", () => {
  const ground = new Ground(fakeCanvas());
  assert.ok(ground.isWrong(view()));
  ground.paint(view(), 0, SIZE);
  assert.ok(!ground.isWrong(view({ price: 1.10011, spread: 0.0001, poc: 1.1, ticks: 101, high: 1.1021, low: 1.0979 })));
  assert.ok(!ground.isWrong(view({ visual_high: 1.10401, visual_low: 1.09599 })), "less than half a pixel");
  const scales = [{ visual_high: 1.105 }, { visual_low: 1.095 }, { visual_high: 1.103 }, { visual_low: 1.097 }, { visual_low: 1.1, visual_high: 1.1 }];
  for (const state of [...scales, { price: 10.1 }, { price: 1.09998 }, { ready: false }]) {
    assert.ok(ground.isWrong(view(state)), JSON.stringify(state));
  }
  for (const more of [{ mark: "no data" }, { name: "EURUSD ·1234" }]) assert.ok(ground.isWrong(view({}, more)), JSON.stringify(more));
  ground.expire();
  assert.ok(ground.isWrong(view()));
  const one = { visual_low: 1.1, visual_high: 1.1 };
  ground.paint(view(one), 0, SIZE);
  assert.ok(!ground.isWrong(view({ ...one, poc: 1.10001 })), "a range without extent");
});

test("a ground is wrong when the line of the price would cross a label", () => {
  const ground = new Ground(fakeCanvas());
  ground.paint(view(), 0, SIZE);
  const labels = bodyLabels(view());
  assert.ok(labels.length >= 3);
  const { body } = view().box;
  for (const { box, text } of labels.filter(({ box: { y, h } }) => y > body.y && y + h < body.y + body.h)) {
    const price = 1.104 - ((box.y + box.h / 2 - body.y) / body.h) * 0.008;
    assert.ok(ground.isWrong(view({ price })), text);
  }
});

test("a ground is old after its time, and one that was released has no memory and is painted again", () => {
  const ground = new Ground(fakeCanvas());
  ground.paint(view(), 1000, SIZE);
  assert.deepEqual([ground.isOld(1000 + GROUND_MS - 1), ground.isOld(1000 + GROUND_MS)], [false, true]);
  assert.deepEqual([ground.canvas.width, ground.canvas.height], [190, 210]);
  ground.release();
  assert.deepEqual([ground.canvas.width, ground.canvas.height, ground.isWrong(view())], [0, 0, true]);
});

/** A loop without a browser: `frame(ms)` runs a frame at a time. */
async function loopOf(many) {
  let next = null;
  const observer = class { constructor(call) { this.call = call; } observe() {} unobserve() {} };
  Object.assign(globalThis, {
    ResizeObserver: observer, IntersectionObserver: observer, devicePixelRatio: 1, requestAnimationFrame: (call) => (next = call),
    document: { createElement: fakeCanvas, addEventListener() {} },
  });
  const { Loop } = await import("../../../clients/web/loop.js");
  const store = createStore();
  const loop = new Loop(store, new Latency(), { matches: false });
  const pictures = Array.from({ length: many }, (_, at) => {
    const id = `d${at}`;
    store.displays.set(id, { id, state: someState({ display: id }), profile: null, moved: true, lapsed: false, twin: false });
    const picture = loop.add(fakeCanvas(), id);
    picture.visible = true;
    picture.resize(SIZE.width, SIZE.height, 1);
    return picture;
  });
  let now = 0;
  performance.now = () => now;
  loop.recolour(palette);
  loop.start();
  const frame = (ms) => {
    now = ms;
    next();
  };
  return { loop, store, pictures, frame };
}

const painted = (pictures) => pictures.map(({ ground }) => ground.at);

test("a tick is drawn in the next frame on the ground there is, which follows within its time, few of them per frame", async (context) => {
  const { now } = performance;
  context.after(() => (performance.now = now));
  const { loop, store, pictures, frame } = await loopOf(6);
  frame(0);
  assert.deepEqual(painted(pictures), [0, 0, 0, 0, 0, 0]);
  for (const { id } of pictures) {
    store.displays.get(id).state = someState({ display: id, price: 1.10013 });
    loop.changed(id);
  }
  frame(16);
  const prices = pictures.map(({ context }) => context.calls.filter(([name, , text]) => name === "fillText" && text === "01").length);
  assert.deepEqual(prices, [1, 1, 1, 1, 1, 1]);
  assert.deepEqual(painted(pictures), [0, 0, 0, 0, 0, 0]);
  for (let ms = GROUND_MS; ms < GROUND_MS + 8 * 16; ms += 16) {
    const before = painted(pictures);
    frame(ms);
    assert.ok(painted(pictures).filter((at, index) => at !== before[index]).length <= 1);
  }
  assert.ok(painted(pictures).every((at) => at >= GROUND_MS));
  assert.equal(loop.behind.size, 0);
  const calls = pictures.map(({ context }) => context.calls.length);
  frame(2000);
  assert.deepEqual(pictures.map(({ context }) => context.calls.length), calls, "nothing is left to be drawn");
  loop._seen({ target: pictures[0].canvas, isIntersecting: false });
  pictures[1].resize(100, 100, 1);
  pictures[1].visible = false;
  loop.waiting.add(pictures[1]);
  frame(2016);
  assert.deepEqual(pictures.map(({ ground }) => ground.canvas.width), [0, 0, 190, 190, 190, 190], "none is kept outside of the screen");
});

test("pictures on the screen are drawn before the others, which follow", async (context) => {
  const { now } = performance;
  context.after(() => (performance.now = now));
  const { loop, pictures, frame } = await loopOf(4);
  const order = [];
  const draw = loop._draw.bind(loop);
  loop._draw = (picture, ...more) => {
    order.push(picture.id);
    return draw(picture, ...more);
  };
  pictures[0].visible = pictures[2].visible = false;
  frame(0);
  assert.deepEqual(order, ["d1", "d3", "d0", "d2"]);
  assert.equal(loop.waiting.size, 0);
});

test("a picture keeps the wider of two scales between which its display jumps, for its figures too", async (context) => {
  const { now } = performance;
  context.after(() => (performance.now = now));
  const { loop, store, pictures, frame } = await loopOf(1);
  const [{ id, canvas, ground }] = pictures;
  const scale = (state) => {
    store.displays.get(id).state = someState({ display: id, ...state });
    loop.changed(id);
  };
  const wide = { visual_low: 1.09, visual_high: 1.11 };
  scale(wide);
  frame(0);
  for (const ms of [16, 32, 48]) {
    scale(ms === 32 ? wide : { visual_low: 1.095, visual_high: 1.105 });
    frame(ms);
    assert.deepEqual([ground.at, ground.low, ground.high], [0, 1.09, 1.11]);
    assert.deepEqual(loop.view(canvas).state.visual_low, 1.09);
  }
  scale({ visual_low: 1.095, visual_high: 1.105 });
  frame(48 + 2000);
  assert.deepEqual([ground.at, ground.low, ground.high], [2048, 1.095, 1.105]);
});

test("a picture whose scale may be narrower is drawn with it in time, also when no further state comes", async (context) => {
  const { now } = performance;
  context.after(() => (performance.now = now));
  const { loop, store, pictures, frame } = await loopOf(1);
  const [{ id, canvas, ground }] = pictures;
  for (const [ms, low, high] of [[0, 1.09, 1.11], [16, 1.095, 1.105]]) {
    store.displays.get(id).state = someState({ display: id, visual_low: low, visual_high: high });
    loop.changed(id);
    frame(ms);
  }
  for (let ms = 32; ms < 2016; ms += 16) frame(ms);
  assert.deepEqual([ground.low, ground.high], [1.09, 1.11]);
  loop.view(canvas); // of the pointer: it draws nothing
  for (let ms = 2016; ms <= 2600; ms += 16) frame(ms);
  assert.deepEqual([ground.low, ground.high], [1.095, 1.105]);
  assert.equal(loop.behind.size, 0, "then it rests");
});

test("a canvas far outside of the screen is hidden, and shown before it comes into view", async (context) => {
  const { now } = performance;
  context.after(() => (performance.now = now));
  const { loop, pictures } = await loopOf(2);
  const [far, near] = pictures.map(({ canvas }) => canvas);
  loop.nearby.call([{ target: far, isIntersecting: false }, { target: near, isIntersecting: true }]);
  assert.deepEqual([far.style.visibility, near.style.visibility], ["hidden", ""]);
  loop.nearby.call([{ target: far, isIntersecting: true }]);
  assert.equal(far.style.visibility, "");
});

test("a picture whose view is closed and opened again keeps its canvas until it is drawn", async (context) => {
  const { now } = performance;
  context.after(() => (performance.now = now));
  const { loop, pictures, frame } = await loopOf(1);
  const [picture] = pictures;
  frame(0);
  const resized = (width, height) => loop._resized({ target: picture.canvas, contentRect: { width, height } });
  let resizes = 0;
  const { resize } = picture;
  picture.resize = (...size) => (resizes++, resize.apply(picture, size));
  resized(0, 0);
  resized(SIZE.width, SIZE.height);
  assert.deepEqual([resizes, picture.blank, loop.waiting.has(picture)], [0, false, true]);
  resized(SIZE.width + 1, SIZE.height);
  assert.deepEqual([resizes, picture.blank], [1, true]);
});
