/** The line of the last hour beside the price, and the change since the open of the day. */

import { priceWidth } from "./paint_price.js";

const LEAST_WIDTH = 18; // a narrower line shows nothing

/** The change of a price in percent since the open; NaN without one. */
export function changeOf(state) {
  return state.open > 0 && Number.isFinite(state.price) ? (state.price / state.open - 1) * 100 : NaN;
}

/** Format a change: `+0.12%`; a dash for none. */
export function changeText(change, digits = 2) {
  if (!Number.isFinite(change)) return "–";
  const text = Math.abs(change).toFixed(digits);
  const sign = Number(text) === 0 ? "" : change > 0 ? "+" : "−";
  return `${sign}${text}%`;
}

/** Draw the line between the price and the arrow of its direction. */
export function paintSpark(context, view) {
  const { state, box, fonts, palette, spark } = view;
  const left = box.price.x + priceWidth(state, fonts) + 6;
  const right = box.price.x + box.price.w - box.price.h * 0.5 - 4;
  if (!spark?.length || right - left < LEAST_WIDTH) return;
  const prices = spark.map(([, price]) => price);
  const [low, high] = [Math.min(...prices), Math.max(...prices)];
  const [top, height] = [box.price.y + box.price.h * 0.15, box.price.h * 0.7];
  const y = (price) => (high > low ? top + height * (1 - (price - low) / (high - low)) : top + height / 2);
  context.strokeStyle = prices.at(-1) >= prices[0] ? palette.up : palette.down;
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  context.setLineDash([]);
  context.beginPath();
  spark.forEach(([at, price], number) => context[number ? "lineTo" : "moveTo"](left + (right - left) * at, y(price)));
  context.stroke();
}
