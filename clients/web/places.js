/** The places of a picture's small texts: none lies on another or on a line. Texts without space are left out in a fixed order. Pure. */

const NEAR = 0.72; // from a line to the middle of the label beside it, in units
const GAP = 5; // px between the texts of a row

/** Whether two boxes `{x, y, w, h}` have a point in common. */
export function overlap(one, other) {
  return one.x < other.x + other.w && other.x < one.x + one.w && one.y < other.y + other.h && other.y < one.y + one.h;
}

/** The box of a label whose middle is at a y. */
function boxAt({ x, w, h }, middle) {
  return { x, y: middle - h / 2, w, h };
}

/**
 * Place labels, the most important one first: each at the first of its places that is free. A label without a free place is left out.
 *
 * @param {{x: number, w: number, h: number, middles: number[]}[]} labels in the order of importance, with the y of the places of each
 * @param {{x: number, y: number, w: number, h: number}[]} taken boxes that no label may touch
 * @returns {object[]} the placed labels, each with its `box`
 */
export function placeLabels(labels, taken) {
  const placed = [];
  for (const label of labels) {
    const boxes = label.middles.map((middle) => boxAt(label, middle));
    const box = boxes.find((free) => ![...taken, ...placed.map((other) => other.box)].some((other) => overlap(free, other)));
    if (box) placed.push({ ...label, box });
  }
  return placed;
}

/**
 * The places of a label beside a line: above or below it, and one label further away. Beyond the body there is space for one label.
 *
 * @param {number} at y of the line
 * @param {number} first -1 if the place above is preferred, 1 for the one below
 * @param {{unit: number, body: {y: number, h: number}}} box of the picture
 */
export function besideLine(at, first, { unit, body }) {
  const [top, bottom] = [body.y - NEAR * unit, body.y + body.h + NEAR * unit];
  const steps = [NEAR, 1.6].flatMap((step) => [first * step, -first * step]);
  return [...new Set(steps.map((step) => Math.min(bottom, Math.max(top, at + step * unit))))];
}

/**
 * The parts that the head has space for, from the widths of its texts. The name and the ring are always there; then in the order of importance the
 * shortest text of the change, the figure of the volatility, and longer texts of the change.
 *
 * @param {number} room
 * @param {{name: number, ring: number, figure: number, changes: number[]}} widths `changes` from the longest text to the shortest one
 * @returns {{name: number, change: number, figure: boolean}} the most width of the name; the index of the change's text or -1
 */
export function placeHead(room, { name, ring, figure, changes }) {
  const most = Math.max(0, room - ring - GAP);
  let left = most - Math.min(name, most);
  const takes = (width) => width + GAP <= left;
  let change = changes.length && takes(changes.at(-1)) ? changes.length - 1 : -1;
  if (change >= 0) left -= changes[change] + GAP;
  const shown = takes(figure);
  if (shown) left -= figure + GAP;
  if (change >= 0) change = changes.findIndex((width) => width <= left + changes[change]);
  return { name: Math.min(name, most), change, figure: shown };
}

/**
 * The first of some rows of texts that fits.
 *
 * @param {string[][]} rows from the longest to the shortest one
 * @param {number} room
 * @param {function(string): number} width of a text
 */
export function fittingRow(rows, room, width) {
  const needed = (texts) => texts.reduce((sum, text) => sum + width(text), 0) + (texts.length - 1) * GAP * 1.6;
  return rows.find((texts) => needed(texts) <= room) ?? rows.at(-1);
}
