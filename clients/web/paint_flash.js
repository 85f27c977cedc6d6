/** The flash: a fading border after a jump of the price; it does not fade if the user prefers reduced motion. */

import { directionColour } from "./paint_price.js";

export const FLASH_MS = 600;

const STEPS = 6; // of the fading: each step draws the whole picture

/** The strength of a flash after a time: 1 to 0, in steps; 0 is none. */
export function flashStrength(elapsedMs, still) {
  if (!(elapsedMs >= 0 && elapsedMs < FLASH_MS)) return 0;
  return still ? 1 : Math.ceil((1 - elapsedMs / FLASH_MS) * STEPS) / STEPS;
}

/** Draw the flash. */
export function paintFlash(context, view) {
  const { state, palette, flash, width, height } = view;
  if (!flash || !state.flash) return;
  context.globalAlpha = flash;
  context.strokeStyle = directionColour(state.flash.direction, palette);
  context.lineWidth = 3;
  context.lineJoin = "round";
  context.setLineDash([]);
  context.strokeRect(1.5, 1.5, width - 3, height - 3);
  context.globalAlpha = 1;
}
