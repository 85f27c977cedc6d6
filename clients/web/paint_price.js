/** The price: a line at the current price, and its text as big figure, pips and pipette. */

import { arrow, hasPips, splitPrice } from "./format.js";

/** The colour of a direction. */
export function directionColour(direction, palette) {
  if (direction === "up") return palette.up;
  return direction === "down" ? palette.down : palette.dim;
}

/** Draw the line at the current price, with a pointer at the axis. */
export function paintFloat(context, view) {
  const { state, box, y, palette } = view;
  const at = Math.round(y(state.price));
  context.fillStyle = palette.surface; // separates the line from bars of its colour
  context.fillRect(box.body.x, at - 2, box.body.w, 4);
  context.fillStyle = directionColour(state.direction, palette);
  context.fillRect(box.body.x, at - 1, box.body.w, 2);
  context.beginPath();
  context.moveTo(box.axis - 7, at - 4);
  context.lineTo(box.axis, at);
  context.lineTo(box.axis - 7, at + 4);
  context.fill();
}

/** The parts of a price with their fonts: big figure, pips and pipette. */
function partsOf(state, fonts) {
  const { big, pips, pipette } = splitPrice(state.price, state.digits, hasPips(state));
  return [[big, fonts.big, false], [pips, fonts.pips, true], [pipette, fonts.pipette, false]];
}

/** The width of the price as it is written. */
export function priceWidth(state, fonts) {
  return partsOf(state, fonts).reduce((sum, [text, font]) => sum + text.length * fonts.advance(font), 0);
}

/**
 * The parts of a price with their places; a long price is made narrow enough for the space beside the arrow.
 *
 * @returns {{text: string, font: string, strong: boolean, x: number, y: number, width: number, isNarrow: boolean}[]} big figure, pips, pipette
 */
function placedParts({ state, box, fonts }) {
  const { x: left, y: top, w, h } = box.price;
  const factor = Math.min(1, (w - h * 0.5) / priceWidth(state, fonts)); // 1 for most prices
  let x = left;
  return partsOf(state, fonts).map(([text, font, strong], at) => {
    const width = text.length * fonts.advance(font) * factor;
    x += width;
    return { text, font, strong, x: x - width, y: top + h * (at === 2 ? 0.54 : 0.84), width, isNarrow: factor < 1 };
  });
}

function write(context, palette, { text, font, strong, x, y, width, isNarrow }) {
  context.font = font;
  context.fillStyle = strong ? palette.ink : palette.dim;
  if (isNarrow) context.fillText(text, x, y, width);
  else context.fillText(text, x, y);
}

/** Write the big figure, which most ticks leave as it is. */
export function paintBigFigure(context, view) {
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  write(context, view.palette, placedParts(view)[0]);
}

/** Write pips and pipette; the direction has a shape in addition to the colour. */
export function paintPips(context, view) {
  const { state, box, fonts, palette } = view;
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  const [, pips, pipette] = placedParts(view);
  write(context, palette, pips);
  if (pipette.text) write(context, palette, pipette);
  context.font = fonts.arrow;
  context.fillStyle = directionColour(state.direction, palette);
  context.textAlign = "right";
  context.fillText(arrow(state.direction), box.price.x + box.price.w, box.price.y + box.price.h * 0.84);
}
