/**
 * The ground of a picture: the parts that follow the ticks slowly, on a second canvas. The line of the price, its pips and its
 * direction are drawn on a copy of it.
 *
 * Profile, labels, sparkline and small figures are nearly all the work of a picture, and a tick changes them by a pixel or not at all. The
 * ground is painted at once when it does not suit the price, otherwise every `GROUND_MS`.
 */

import { hasPips, splitPrice } from "./format.js";
import { paintGround } from "./paint.js";
import { LINE_PX } from "./paint_labels.js";

export const GROUND_MS = 250;

/** One picture's ground, and how old it is. */
export class Ground {
  /** @param {HTMLCanvasElement} canvas outside of the document */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.key = null; // what must be the same for a price to be drawn on it; null: paint it again
    this.at = -Infinity; // ms, when it was painted
    this.labels = []; // boxes that the line of the price must not cross
  }

  /** Free its memory: a page may have many pictures outside of the screen. */
  release() {
    this.canvas.width = this.canvas.height = 0;
    this.key = null;
  }

  /** Have the ground painted again before the next price. */
  expire() {
    this.key = null;
  }

  /** Whether a price drawn on it would be wrong: another scale, range of the day or big figure, or its line on a label. */
  isWrong(view) {
    if (this.key !== keyOf(view)) return true;
    if (!view.state?.ready) return false;
    const at = view.y(view.state.price);
    return this.labels.some(({ y, h }) => at + LINE_PX > y && at - LINE_PX < y + h);
  }

  /** Whether it is time to paint it again. */
  isOld(now) {
    return now - this.at >= GROUND_MS;
  }

  /** Paint the ground, with the size of a canvas in device pixels. */
  paint(view, now, { width, height }) {
    const { canvas, context } = this;
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
    this.labels = paintGround(context, view);
    this.key = keyOf(view);
    this.at = now;
  }
}

function keyOf({ state, name, mark }) {
  const { ready, visual_low: bottom, visual_high: top, high, low, price, digits } = state ?? {};
  const { big, pips } = splitPrice(price, digits, hasPips(state ?? {}));
  return `${name} ${mark} ${ready} ${bottom} ${top} ${high} ${low} ${big} ${pips.length}`;
}
