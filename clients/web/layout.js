/** The layout of a display's picture, in CSS pixels. Pure: computed from its size. */

/**
 * @param {number} width
 * @param {number} height
 * @returns {{large: boolean, unit: number, pad: number, head: object, price: object, body: object, foot: object, axis: number}}
 *   boxes are `{x, y, w, h}`; `unit` is the size of small type; `axis` the x of the ADR axis
 */
export function layout(width, height) {
  const large = width >= 420;
  const unit = large ? 12 : 10;
  const pad = large ? 16 : 9;
  const inner = width - 2 * pad;
  const head = { x: pad, y: pad - 2, w: inner, h: large ? 24 : 18 };
  const price = { x: pad, y: head.y + head.h, w: inner, h: Math.max(24, Math.min(large ? 56 : 34, height * 0.17)) };
  const foot = { x: pad, y: height - pad - unit, w: inner, h: unit + 4 };
  const top = price.y + price.h + unit * 1.1; // space for names above and below the body
  const body = { x: pad, y: top, w: inner, h: Math.max(20, foot.y - top - unit * 1.1) };
  return { large, unit, pad, head, price, body, foot, axis: Math.round(body.x + body.w * 0.44) };
}

/**
 * Return the function from prices to y; prices beyond the range are clamped, and an empty range is in the middle.
 *
 * @returns {function(number): number}
 */
export function priceScale(low, high, box) {
  const span = high - low;
  if (!(span > 0)) return () => box.y + box.h / 2;
  return (price) => box.y + box.h * Math.min(1, Math.max(0, (high - price) / span));
}

/**
 * Merge a profile's levels into the rows of a picture, highest price first.
 *
 * A row is never thinner than a level: with fewer levels than pixels, rows are as high as levels.
 *
 * @param {{bucket: number, levels: Map<number, number[]>}} profile
 * @param {number} low lowest price of the picture
 * @param {number} high
 * @param {number} most rows
 * @returns {{buy: Float64Array, sell: Float64Array, largest: number, rows: number}} `largest` of any one side of a row
 */
export function profileRows(profile, low, high, most) {
  const span = high - low;
  const rows = span > 0 ? Math.max(1, Math.min(Math.floor(most), Math.ceil(span / profile.bucket))) : 1;
  const buy = new Float64Array(rows);
  const sell = new Float64Array(rows);
  let largest = 0;
  for (const [index, [, bought, sold]] of profile.levels) {
    const middle = (index + 0.5) * profile.bucket;
    if (middle < low || middle > high) continue;
    const row = span > 0 ? Math.min(rows - 1, Math.floor(((high - middle) / span) * rows)) : 0;
    buy[row] += bought;
    sell[row] += sold;
    largest = Math.max(largest, buy[row], sell[row]);
  }
  return { buy, sell, largest, rows };
}
