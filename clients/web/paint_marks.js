/** Marks of the profile and the day: value area, point of control, TWAP; and the last jumps of the price (deflection). */

/** Shade the value area, behind everything else. */
export function paintValueArea(context, view) {
  const { state, box, y, palette } = view;
  if (!state.value_area) return;
  const [top, bottom] = [y(state.value_area.high), y(state.value_area.low)];
  context.fillStyle = palette.band;
  context.fillRect(box.body.x, top, box.body.w, Math.max(1, bottom - top));
}

/** The marks inside the picture, the most important first. */
export function marksIn({ state, palette }) {
  const marks = [
    { name: "POC", value: state.poc, dashes: [1, 2], colour: palette.ink, what: "POC: point of control, the price with the most ticks of the day" },
    { name: "TW", value: state.twap, dashes: [5, 3], colour: palette.accent, what: "TW: time-weighted average price of the day (TWAP)" },
  ];
  return marks.filter(({ value }) => Number.isFinite(value) && value >= state.visual_low && value <= state.visual_high);
}

/** Draw the lines of the point of control and the TWAP. */
export function paintLevels(context, view) {
  const { body } = view.box;
  context.lineWidth = 1;
  for (const { value, dashes, colour } of marksIn(view)) {
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
