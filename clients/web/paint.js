/** The picture of a display, from its state and size: one painter per quantity, from back to front. */

import { count, spreadText } from "./format.js";
import { layout, priceScale } from "./layout.js";
import { paintFlash } from "./paint_flash.js";
import { paintDeflection, paintLevels, paintNames, paintValueArea } from "./paint_marks.js";
import { orbWidth, paintOrb } from "./paint_orb.js";
import { paintFloat, paintPrice } from "./paint_price.js";
import { paintProfile } from "./paint_profile.js";
import { paintExtremes, paintRange, rangeText } from "./paint_range.js";
import { changeOf, changeText, paintSpark } from "./paint_spark.js";

const PAINTERS = [
  paintValueArea, paintProfile, paintRange, paintLevels, paintFloat, paintExtremes, paintNames, paintDeflection, paintPrice, paintSpark,
  paintOrb, paintFlash,
];

/** The fonts of a picture of this size, and the width of a digit in each. */
export function fontsFor(box, palette, measure) {
  const size = box.price.h;
  const widths = new Map();
  const advance = (font) => {
    if (!widths.has(font)) widths.set(font, measure(font, "0"));
    return widths.get(font);
  };
  return {
    symbol: `600 ${box.large ? 17 : 13}px ${palette.sans}`,
    small: `${box.unit}px ${palette.sans}`,
    big: `${Math.round(size * 0.62)}px ${palette.mono}`,
    pips: `600 ${Math.round(size * 0.94)}px ${palette.mono}`,
    pipette: `${Math.round(size * 0.5)}px ${palette.mono}`,
    arrow: `${Math.round(size * 0.44)}px ${palette.sans}`,
    advance,
  };
}

/**
 * Draw a display.
 *
 * @param {CanvasRenderingContext2D} context its unit is a CSS pixel
 * @param {{name: string, state: object, profile: object|null, market?: object, spark?: number[][], width: number, height: number, palette: object, fonts: object, mark: string, flash: number, ratio: number}} picture
 *   `mark` is the reason why the picture is out of date, or empty; `flash` is 0 to 1; `ratio` device pixels to a CSS pixel
 */
export function paintDisplay(context, picture) {
  const { state, width, height, palette } = picture;
  context.globalAlpha = 1;
  context.fillStyle = palette.surface;
  context.fillRect(0, 0, width, height);
  context.lineJoin = "round";
  const box = picture.box ?? layout(width, height);
  const view = { ...picture, box, y: priceScale(state?.visual_low, state?.visual_high, box.body) };
  if (state?.ready) {
    context.globalAlpha = picture.mark ? 0.45 : 1;
    for (const paint of PAINTERS) paint(context, view);
    context.globalAlpha = 1;
  }
  paintHead(context, view);
  paintFoot(context, view);
}

/** The head: the name, and the change since the open where there is space for it between the name and the orb. */
function paintHead(context, { name, state, box, fonts, palette }) {
  const middle = box.head.y + box.head.h / 2;
  context.font = fonts.symbol;
  context.fillStyle = palette.ink;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(name, box.head.x, middle);
  const free = box.head.x + context.measureText(name).width + 5;
  const change = state?.ready ? changeOf(state) : NaN;
  context.font = fonts.small;
  const space = box.head.x + box.head.w - orbWidth(box) - free;
  const text = [2, 1].map((digits) => changeText(change, digits)).find((fitting) => context.measureText(fitting).width <= space);
  if (!Number.isFinite(change) || !text) return;
  context.fillStyle = text.startsWith("+") ? palette.up : text.startsWith("−") ? palette.down : palette.dim;
  context.fillText(text, free, middle + 0.5);
}

/** The foot: used range, spread, and ticks per second or that the market is not open; or the reason why the picture is out of date. */
function paintFoot(context, { state, box, fonts, palette, mark, market }) {
  const y = box.foot.y + box.foot.h / 2;
  const right = box.foot.x + box.foot.w;
  context.font = fonts.small;
  context.textBaseline = "middle";
  context.textAlign = "left";
  const text = mark || (state?.ready ? "" : "waiting for ticks");
  if (text) {
    context.fillStyle = palette.warn;
    context.fillRect(0, box.foot.y - 4, 3, box.foot.h + 8);
    context.fillText(text, box.foot.x, y, box.foot.w);
    return;
  }
  context.fillStyle = palette.dim;
  context.fillText(rangeText(state), box.foot.x, y);
  context.textAlign = "center";
  context.fillText(spreadText(state, "pip"), box.foot.x + box.foot.w / 2, y);
  context.textAlign = "right";
  const rate = `${count(state.ticks_per_s, state.ticks_per_s < 10 ? 1 : 0)}/s`;
  context.fillText(market && market.state !== "open" ? market.state : rate, right, y);
}
