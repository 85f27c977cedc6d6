/** The day's range: the ADR axis with its tiers, the shares of the average range, and today's high, low and open. */

import { adrUsed, price } from "./format.js";

const TIERS = [0.3, 0.5, 0.75, 1];

/**
 * The prices of the tiers: the middle of the projected range, plus and minus a share of its half.
 *
 * @returns {{share: number, price: number}[]}
 */
export function tierPrices(state) {
  const half = (state.adr_high - state.adr_low) / 2;
  if (!(half > 0) || state.adr_source === "day") return []; // a range of one day is not an average
  const middle = (state.adr_high + state.adr_low) / 2;
  return TIERS.flatMap((share) => [1, -1].map((sign) => ({ share: sign * share, price: middle + sign * half * share })));
}

/** Draw the axis, the tiers inside the picture, and the day's part of the axis. */
export function paintRange(context, view) {
  const { state, box, y, palette } = view;
  const { body, axis } = box;
  context.fillStyle = palette.line;
  context.fillRect(axis - 0.5, body.y, 1, body.h);
  for (const { share, price: level } of tierPrices(state)) {
    if (level > state.visual_high || level < state.visual_low) continue;
    const at = Math.round(y(level));
    const whole = Math.abs(share) === 1;
    context.fillStyle = whole ? palette.accent : palette.faint;
    context.fillRect(axis - (whole ? 9 : 5), at, whole ? 19 : 11, 1);
    if (box.large) label(context, view, `${Math.round(Math.abs(share) * 100)}%`, axis + (whole ? 13 : 9), at, "left", palette.dim);
  }
  const [top, bottom] = [y(state.high), y(state.low)];
  context.fillStyle = palette.dim;
  context.fillRect(axis - 1, top, 2, Math.max(1, bottom - top));
  context.fillStyle = palette.faint;
  context.fillRect(axis - 3, Math.round(y(state.open)), 7, 1);
}

/** Draw today's high and low: a cap on the axis, and the figure at the right edge. */
export function paintExtremes(context, view) {
  const { state, box, y, palette } = view;
  const right = box.body.x + box.body.w - 5;
  for (const [name, value, down] of [["H", state.high, -1], ["L", state.low, 1]]) {
    const at = Math.round(y(value));
    context.fillStyle = palette.ink;
    context.fillRect(box.axis - 6, at, 13, 1.5);
    label(context, view, `${name} ${price(value, state.digits)}`, right, at + down * (box.unit * 0.62), "right", palette.dim);
  }
}

/** The used share of the average range, as the text in the foot of the picture. */
export function rangeText(state) {
  const used = adrUsed(state);
  return Number.isFinite(used) ? `ADR ${Math.round(used * 100)}%` : "ADR –";
}

/** Write a small label beside a line of the body, with an outline in the background's colour. */
export function label(context, view, text, x, at, align, colour) {
  const { body } = view.box;
  const half = view.box.unit / 2;
  context.font = view.fonts.small;
  context.textAlign = align;
  context.textBaseline = "middle";
  const y = Math.min(body.y + body.h + half, Math.max(body.y - half, at));
  context.strokeStyle = view.palette.surface;
  context.lineWidth = 3;
  context.strokeText(text, x, y);
  context.fillStyle = colour;
  context.fillText(text, x, y);
}
