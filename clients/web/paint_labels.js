/** The names beside the lines of the body: the day's high and low, point of control, TWAP, and the shares of the average range. */

import { price } from "./format.js";
import { marksIn } from "./paint_marks.js";
import { tiersIn } from "./paint_range.js";
import { besideLine, placeLabels } from "./places.js";

export const LINE_PX = 3; // on each side of a line that no label may touch

/**
 * The labels with their boxes; see `placeLabels`. The order of importance: high, low, point of control, TWAP, shares.
 *
 * @returns {{text: string, colour: string, what: string, box: object}[]}
 */
export function bodyLabels(view) {
  const { state, box, fonts, palette, y } = view;
  const { body, unit } = box;
  const right = body.x + body.w - 5;
  const high = (width) => right - width;
  const label = (text, colour, left, middles, what) => {
    const w = fonts.width(fonts.small, text);
    return { text, colour, what, x: typeof left === "function" ? left(w) : left, w, h: unit * 0.8, middles };
  };
  const marks = marksIn(view);
  const labels = [
    label(`H ${price(state.high, state.digits)}`, palette.dim, high, besideLine(y(state.high), -1, box), "H: high of the day"),
    label(`L ${price(state.low, state.digits)}`, palette.dim, high, besideLine(y(state.low), 1, box), "L: low of the day"),
    ...marks.map(({ name, value, colour, what }) => label(name, colour, body.x, besideLine(y(value), -1, box), what)),
    ...(box.large ? tiersIn(view) : []).map(({ share, at, reach }) =>
      label(`${Math.round(Math.abs(share) * 100)}%`, palette.dim, box.axis + reach + 4, [at], "share of the average daily range (ADR)")),
  ];
  const line = (at) => ({ x: body.x, y: at - LINE_PX, w: body.w, h: 2 * LINE_PX });
  return placeLabels(labels, [line(y(state.price)), ...marks.map(({ value }) => line(y(value)))]);
}

/** Draw the labels, each on a pale ground that separates it from the bars; returns their boxes. */
export function paintLabels(context, view) {
  const { fonts, palette } = view;
  const alpha = context.globalAlpha;
  const labels = bodyLabels(view);
  context.fillStyle = palette.surface;
  context.globalAlpha = alpha * 0.75;
  for (const { box } of labels) context.fillRect(box.x - 1, box.y, box.w + 2, box.h);
  context.globalAlpha = alpha;
  context.font = fonts.small;
  context.textAlign = "left";
  context.textBaseline = "middle";
  for (const { text, colour, box } of labels) {
    context.fillStyle = colour;
    context.fillText(text, box.x, box.y + box.h / 2 + 0.5);
  }
  return labels.map(({ box }) => box);
}
