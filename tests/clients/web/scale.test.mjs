/** The scale of a picture: wider at once, narrower only after a while. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { NARROWS_MS, Scale } from "../../../clients/web/scale.js";

const WIDE = { low: 1.09, high: 1.11 };
const NARROW = { low: 1.095, high: 1.105 };

function scaleOf(...steps) {
  const scale = new Scale();
  return steps.map(([{ low, high }, now]) => scale.of(low, high, now));
}

test("a scale widens at once", () => {
  assert.deepEqual(scaleOf([NARROW, 0], [WIDE, 1]), [NARROW, WIDE]);
});

test("a scale narrows when less has sufficed for its time, and not while it jumps between two", () => {
  assert.deepEqual(scaleOf([WIDE, 0], [NARROW, 10], [NARROW, 10 + NARROWS_MS - 1], [NARROW, 10 + NARROWS_MS]), [WIDE, WIDE, WIDE, NARROW]);
  assert.deepEqual(
    scaleOf([WIDE, 0], [NARROW, 10], [WIDE, NARROWS_MS], [NARROW, NARROWS_MS + 20], [NARROW, 2 * NARROWS_MS + 10]),
    [WIDE, WIDE, WIDE, WIDE, WIDE],
  );
});

test("a range that the scale does not contain is taken at once, also a narrower one, and the next time begins again", () => {
  const beside = { low: 1.1095, high: 1.1105 };
  assert.deepEqual(scaleOf([WIDE, 0], [NARROW, 10], [beside, 20], [NARROW, 30]), [WIDE, WIDE, beside, NARROW]);
  assert.deepEqual(scaleOf([WIDE, 0], [NARROW, 10], [WIDE, 20], [NARROW, 10 + NARROWS_MS]).at(-1), WIDE);
});

test("a display whose range ends has none at once, also where its prices were on both sides of zero", () => {
  const none = { low: null, high: null };
  assert.deepEqual(scaleOf([{ low: -1, high: 1 }, 0], [none, 1]), [{ low: -1, high: 1 }, none]);
});

test("odd ranges are taken as they are: without a number, without an extent", () => {
  for (const odd of [{ low: NaN, high: NaN }, { low: 1.1, high: NaN }, { low: undefined, high: undefined }]) {
    assert.deepEqual(scaleOf([WIDE, 0], [odd, 1], [NARROW, 2]), [WIDE, odd, NARROW]);
  }
  const point = { low: 1.1, high: 1.1 };
  assert.deepEqual(scaleOf([WIDE, 0], [point, 1], [point, 1 + NARROWS_MS], [NARROW, 5000]), [WIDE, WIDE, point, NARROW]);
});

test("a display without a range has none, and its first range is taken", () => {
  const none = { low: null, high: null };
  assert.deepEqual(scaleOf([none, 0], [WIDE, 1], [none, 2], [NARROW, 3]), [none, WIDE, none, NARROW]);
});
