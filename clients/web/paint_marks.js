/** What the profile and the day come to: value area, point of control, TWAP; and how far the price has lately leapt (deflection). */

import { label } from "./paint_range.js";

/** Shade the value area, behind everything else. */
export function paintValueArea(context, view) {
  const { state, box, y, palette } = view;
  if (!state.value_area) return;
  const [top, bottom] = [y(state.value_area.high), y(state.value_area.low)];
  context.fillStyle = palette.band;
  context.fillRect(box.body.x, top, box.body.w, Math.max(1, bottom - top));
}

/** Draw the lines of the point of control and the TWAP, each with its name at the left edge. */
export function paintLevels(context, view) {
  const { state, box, y, palette } = view;
  const { body } = box;
  const marks = [["POC", state.poc, [1, 2], palette.ink], ["TW", state.twap, [5, 3], palette.accent]];
  const inside = marks.filter(([, value]) => Number.isFinite(value) && value >= state.visual_low && value <= state.visual_high);
  const near = inside.length === 2 && Math.abs(y(state.poc) - y(state.twap)) < box.unit + 1;
  for (const [name, value, dashes, colour] of inside) {
    const at = Math.round(y(value)) + 0.5;
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.setLineDash(dashes);
    context.beginPath();
    context.moveTo(body.x, at);
    context.lineTo(body.x + body.w, at);
    context.stroke();
    const above = near ? value >= Math.max(state.poc, state.twap) && (name === "POC" || state.poc !== state.twap) : true;
    label(context, view, name, body.x, at + (above ? -1 : 1) * box.unit * 0.62, "left", colour);
  }
  context.setLineDash([]);
}

/** Draw how far up and down the last leaps went, as brackets beside the price at the right edge. */
export function paintDeflection(context, view) {
  const { state, box, y, palette } = view;
  const { up = 0, down = 0 } = state.deflection ?? {};
  const x = box.body.x + box.body.w - 2;
  const pipette = 10 ** -state.digits;
  const from = y(state.price);
  for (const [size, sign, colour] of [[up, 1, palette.up], [down, -1, palette.down]]) {
    if (!(size > 0)) continue;
    const to = y(state.price + sign * size * pipette);
    context.fillStyle = colour;
    context.fillRect(x, Math.min(from, to), 2, Math.max(2, Math.abs(to - from)));
  }
}
