/** The volatility orb: a gauge with the intensity as its arc, and a core that grows with the volatility. */

const START = Math.PI * 0.75;
const SWEEP = Math.PI * 1.5;
const MOST = 3; // no volatility is above 3

/** The geometry of the gauge, from the state only. */
export function orb(state, radius) {
  const intensity = Math.min(1, Math.max(0, state.volatility_intensity || 0));
  const share = Math.min(1, Math.max(0, (state.volatility || 0) / MOST));
  return { end: START + SWEEP * intensity, core: radius * (0.2 + 0.5 * share), hot: intensity >= 0.6 };
}

/** The width of the ring. */
export function ringWidth(box) {
  return box.head.h * 0.88;
}

/** Draw the orb at the right of the head. */
export function paintOrb(context, view) {
  const { state, box, palette } = view;
  const radius = box.head.h * 0.44;
  const x = box.head.x + box.head.w - radius;
  const y = box.head.y + box.head.h / 2;
  const { end, core, hot } = orb(state, radius);
  context.lineWidth = box.large ? 3 : 2.5;
  arc(context, x, y, radius - 1, START, START + SWEEP, palette.line);
  arc(context, x, y, radius - 1, START, end, hot ? palette.warn : palette.accent);
  context.fillStyle = hot ? palette.warn : palette.accent;
  context.beginPath();
  context.arc(x, y, core, 0, Math.PI * 2);
  context.fill();
}

function arc(context, x, y, radius, from, to, colour) {
  context.strokeStyle = colour;
  context.beginPath();
  context.arc(x, y, radius, from, to);
  context.stroke();
}
