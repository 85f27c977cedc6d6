/** The day's range: the ADR axis with its tiers, the shares of the average range, and caps at today's high, low and open. */

import { adrUsed } from "./format.js";

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

/** The tiers inside the picture, with the y of each and the length of its mark on each side of the axis. */
export function tiersIn({ state, y }) {
  const inside = tierPrices(state).filter(({ price }) => price <= state.visual_high && price >= state.visual_low);
  return inside.map(({ share, price }) => ({ share, at: Math.round(y(price)), reach: Math.abs(share) === 1 ? 9 : 5 }));
}

/** Draw the axis, the tiers inside the picture, and the day's part of the axis. */
export function paintRange(context, view) {
  const { state, box, y, palette } = view;
  const { body, axis } = box;
  context.fillStyle = palette.line;
  context.fillRect(axis - 0.5, body.y, 1, body.h);
  for (const { share, at, reach } of tiersIn(view)) {
    context.fillStyle = Math.abs(share) === 1 ? palette.accent : palette.faint;
    context.fillRect(axis - reach, at, 2 * reach + 1, 1);
  }
  const [top, bottom] = [y(state.high), y(state.low)];
  context.fillStyle = palette.dim;
  context.fillRect(axis - 1, top, 2, Math.max(1, bottom - top));
  context.fillStyle = palette.faint;
  context.fillRect(axis - 3, Math.round(y(state.open)), 7, 1);
}

/** Draw today's high and low: a cap on the axis. */
export function paintExtremes(context, view) {
  const { state, box, y, palette } = view;
  context.fillStyle = palette.ink;
  for (const value of [state.high, state.low]) context.fillRect(box.axis - 6, Math.round(y(value)), 13, 1.5);
}

/** The used share of the average range, as the text in the foot of the picture; empty without an average. */
export function rangeText(state) {
  const used = adrUsed(state);
  return Number.isFinite(used) ? `ADR ${Math.round(used * 100)}%` : "";
}
