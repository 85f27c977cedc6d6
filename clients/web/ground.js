/**
 * The ground of a picture: the parts that follow the ticks slowly, on a second canvas. The line of the price, its pips and its
 * direction are drawn on a copy of it.
 *
 * Profile, labels, sparkline and small figures are nearly all the work of a picture, and a tick changes them by a pixel or not at all. The
 * ground is painted at once when it does not suit the price, otherwise at most every `GROUND_MS`.
 */

import { hasPips, splitPrice } from "./format.js";
import { paintGround } from "./paint.js";

export const GROUND_MS = 500;

const BAND_PX = 2; // of the line of the price, on each side; a label is placed further away
const SHIFT_PX = 0.5; // of the scale, too little to be seen

/** One picture's ground, and how old it is. */
export class Ground {
  /** @param {HTMLCanvasElement} canvas outside of the document */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.key = null; // what must be the same for a price to be drawn on it; null: paint it again
    this.at = -Infinity; // ms, when it was painted
    this.labels = []; // boxes that the line of the price must not cross
    this.low = this.high = NaN; // prices at its edges
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

  /** Whether a price drawn on it would be wrong: another scale, mark, name or big figure, or its line on a label. */
  isWrong(view) {
    if (this.key !== keyOf(view)) return true;
    const { state, box } = view;
    if (!state?.ready) return false;
    if (this._shift(state, box.body.h) > SHIFT_PX) return true;
    const at = view.y(state.price);
    return this.labels.some(({ y, h }) => at + BAND_PX > y && at - BAND_PX < y + h);
  }

  /** How far the scale of a state is from this one, in pixels of a body of this height. */
  _shift({ visual_low: low, visual_high: high }, height) {
    const moved = Math.max(Math.abs(high - this.high), Math.abs(low - this.low));
    return moved === 0 ? 0 : high > low ? (moved / (high - low)) * height : Infinity;
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
    [this.low, this.high] = [view.state?.visual_low, view.state?.visual_high];
    this.key = keyOf(view);
    this.at = now;
  }
}

function keyOf({ state, name, mark }) {
  const { ready, price, digits } = state ?? {};
  const { big, pips } = splitPrice(price, digits, hasPips(state ?? {}));
  return `${name} ${mark} ${ready} ${big} ${pips.length}`;
}
