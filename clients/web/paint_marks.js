/** Marks of the profile and the day: value area, point of control, TWAP; and the last jumps of the price (deflection). */

import { label } from "./paint_range.js";

/** Shade the value area, behind everything else. */
export function paintValueArea(context, view) {
  const { state, box, y, palette } = view;
  if (!state.value_area) return;
  const [top, bottom] = [y(state.value_area.high), y(state.value_area.low)];
  context.fillStyle = palette.band;
  context.fillRect(box.body.x, top, box.body.w, Math.max(1, bottom - top));
}

/** The marks inside the picture: name, price, dashes, colour. */
function marksIn({ state, palette }) {
  const marks = [["POC", state.poc, [1, 2], palette.ink], ["TW", state.twap, [5, 3], palette.accent]];
  return marks.filter(([, value]) => Number.isFinite(value) && value >= state.visual_low && value <= state.visual_high);
}

/** Draw the lines of the point of control and the TWAP. */
export function paintLevels(context, view) {
  const { body } = view.box;
  context.lineWidth = 1;
  for (const [, value, dashes, colour] of marksIn(view)) {
    const at = Math.round(view.y(value)) + 0.5;
    context.strokeStyle = colour;
    context.setLineDash(dashes);
    context.beginPath();
    context.moveTo(body.x, at);
    context.lineTo(body.x + body.w, at);
    context.stroke();
  }
  context.setLineDash([]);
}

/** Write their names at the left edge, above the lines; if both are close, the name of the lower one is below. */
export function paintNames(context, view) {
  const { state, box, y } = view;
  const inside = marksIn(view);
  const near = inside.length === 2 && Math.abs(y(state.poc) - y(state.twap)) < box.unit * 1.8;
  for (const [name, value, , colour] of inside) {
    const above = !near || (name === "POC") === (state.poc >= state.twap);
    label(context, view, name, box.body.x, y(value) + (above ? -1 : 1) * box.unit * 0.66, "left", colour);
  }
}

/** Draw the size of the last jumps up and down, as brackets beside the price at the right edge. */
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
