/**
 * The market profile: per row of prices, sells to the left of the axis and buys to its right; pale outside the value area. On a small picture
 * it is a faint ground for the price; on a large one it has the full colours.
 */

import { profileRows } from "./layout.js";

const ROW_PX = 3;
const cache = new WeakMap(); // profile -> {key, rows}: rows are computed again only after a change of profile or range

/** Return the rows, from the cache if possible. */
export function rowsOf(profile, low, high, most) {
  const key = `${profile.version} ${low} ${high} ${most}`;
  let entry = cache.get(profile);
  if (entry?.key !== key) {
    entry = { key, rows: profileRows(profile, low, high, most) };
    cache.set(profile, entry);
  }
  return entry.rows;
}

/** Draw the profile. */
export function paintProfile(context, view) {
  const { state, profile, box, palette } = view;
  if (!profile?.levels.size) return;
  const low = state.visual_low;
  const high = state.visual_high;
  const { buy, sell, largest, rows } = rowsOf(profile, low, high, box.body.h / ROW_PX);
  if (!largest) return;
  const { edges, gap } = rowEdges(box.body, rows, view.ratio);
  const sides = [
    { amounts: sell, room: box.axis - box.body.x - 3, sign: -1, shades: [palette.down, palette.downFaint, palette.downTrace] },
    { amounts: buy, room: box.body.x + box.body.w - box.axis - 3, sign: 1, shades: [palette.up, palette.upFaint, palette.upTrace] },
  ];
  const inside = areaRows(state, low, high, rows);
  const whole = (length) => Math.max(1, Math.round(length * view.ratio) / view.ratio); // a bar on whole pixels is filled without smoothing
  for (const { amounts, room, sign, shades } of sides) {
    const [strong, pale] = box.large ? shades : shades.slice(1);
    for (const within of [true, false]) {
      context.fillStyle = within ? strong : pale;
      for (let row = 0; row < rows; row++) {
        if (!amounts[row] || (row >= inside.first && row <= inside.last) !== within) continue;
        const length = whole((amounts[row] / largest) * room * (box.large ? 0.86 : 0.72));
        context.fillRect(sign > 0 ? box.axis + 2 : box.axis - 2 - length, edges[row], length, edges[row + 1] - edges[row] - gap);
      }
    }
  }
}

/** The edges of the rows, on whole device pixels for sharp bars; one more than rows. The gap separates thick rows. */
export function rowEdges(body, rows, ratio) {
  const step = body.h / rows;
  const edges = Float64Array.from({ length: rows + 1 }, (_, row) => Math.round((body.y + row * step) * ratio) / ratio);
  return { edges, gap: step * ratio >= 3 ? 1 / ratio : 0 };
}

/** The rows of the value area; all rows without one. */
function areaRows(state, low, high, rows) {
  const area = state.value_area;
  if (!area || !(high > low)) return { first: 0, last: rows - 1 };
  const row = (price) => Math.floor(((high - price) / (high - low)) * rows);
  return { first: row(area.high), last: row(area.low) };
}
