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

/** The factor that makes a long price narrow enough for the space beside the arrow; 1 for most prices. */
function squeeze(state, box, fonts) {
  return Math.min(1, (box.price.w - box.price.h * 0.5) / priceWidth(state, fonts));
}

/** Write the price; the direction has a shape in addition to the colour. */
export function paintPrice(context, view) {
  const { state, box, fonts, palette } = view;
  const base = box.price.y + box.price.h * 0.84;
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  const factor = squeeze(state, box, fonts);
  let x = box.price.x;
  partsOf(state, fonts).forEach(([text, font, strong], at) => {
    context.font = font;
    context.fillStyle = strong ? palette.ink : palette.dim;
    const width = text.length * fonts.advance(font) * factor;
    context.fillText(text, x, at === 2 ? base - box.price.h * 0.3 : base, ...(factor < 1 ? [width] : []));
    x += width;
  });
  context.font = fonts.arrow;
  context.fillStyle = directionColour(state.direction, palette);
  context.textAlign = "right";
  context.fillText(arrow(state.direction), box.price.x + box.price.w, base);
}
