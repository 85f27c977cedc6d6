/** The flash: a fading border after a jump of the price; it does not fade if the user prefers reduced motion. */

import { directionColour } from "./paint_price.js";

export const FLASH_MS = 600;

/** The strength of a flash after a time: 1 to 0; 0 is none. */
export function flashStrength(elapsedMs, still) {
  if (!(elapsedMs >= 0 && elapsedMs < FLASH_MS)) return 0;
  return still ? 1 : 1 - elapsedMs / FLASH_MS;
}

/** Draw the flash. */
export function paintFlash(context, view) {
  const { state, palette, flash, width, height } = view;
  if (!flash || !state.flash) return;
  context.globalAlpha = flash;
  context.strokeStyle = directionColour(state.flash.direction, palette);
  context.lineWidth = 3;
  context.setLineDash([]);
  context.strokeRect(1.5, 1.5, width - 3, height - 3);
  context.globalAlpha = 1;
}
