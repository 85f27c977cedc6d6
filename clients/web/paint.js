/**
 * The picture of a display, from its state and size: one painter per quantity, from back to front. First the ground, which may be older
 * than the state; then the front, which must not.
 */

import { count, spreadText } from "./format.js";
import { layout, priceScale } from "./layout.js";
import { paintFlash } from "./paint_flash.js";
import { paintLabels } from "./paint_labels.js";
import { paintDeflection, paintLevels, paintValueArea } from "./paint_marks.js";
import { paintOrb, ringWidth } from "./paint_orb.js";
import { paintBigFigure, paintFloat, paintPips } from "./paint_price.js";
import { paintProfile } from "./paint_profile.js";
import { paintExtremes, paintRange, rangeText } from "./paint_range.js";
import { changeOf, changeText, paintSpark } from "./paint_spark.js";
import { fittingRow, placeHead } from "./places.js";

const GROUND = [paintValueArea, paintProfile, paintRange, paintLevels, paintSpark, paintBigFigure, paintOrb];
const PALE = 0.45; // of a picture that is out of date
const FRONT = [paintFloat, paintExtremes, paintDeflection, paintPips, paintFlash];

/** The fonts of a picture of this size, and the widths of texts in them. All digits are as wide as 0: few widths are measured. */
export function fontsFor(box, palette, measure) {
  const size = box.price.h;
  const [widths, advances] = [new Map(), new Map()];
  const width = (font, text) => {
    const shape = text.replace(/\d/g, "0");
    const key = `${font} ${shape}`;
    if (!widths.has(key)) widths.set(key, measure(font, shape));
    return widths.get(key);
  };
  return {
    symbol: `600 ${box.large ? 17 : 13}px ${palette.sans}`,
    change: `600 ${box.unit}px ${palette.sans}`,
    small: `${box.unit}px ${palette.sans}`,
    big: `${Math.round(size * 0.62)}px ${palette.mono}`,
    pips: `600 ${Math.round(size * 0.94)}px ${palette.mono}`,
    pipette: `${Math.round(size * 0.5)}px ${palette.mono}`,
    arrow: `${Math.round(size * 0.44)}px ${palette.sans}`,
    advance: (font) => {
      if (!advances.has(font)) advances.set(font, measure(font, "0"));
      return advances.get(font);
    },
    width,
  };
}

/** The picture with its layout, and the function from prices to y. */
export function viewOf(picture) {
  const box = picture.box ?? layout(picture.width, picture.height);
  return { ...picture, box, y: priceScale(picture.state?.visual_low, picture.state?.visual_high, box.body) };
}

/**
 * Paint the ground of a display over the whole picture.
 *
 * @param {CanvasRenderingContext2D} context its unit is a CSS pixel
 * @param {object} view see `viewOf`, of `{name: string, state: object, profile: object|null, market?: object, spark?: number[][], width: number,
 *   height: number, palette: object, fonts: object, mark: string, flash: number, ratio: number}`; `mark` is the reason why the picture is out of
 *   date, or empty; `flash` is 0 to 1; `ratio` device pixels to a CSS pixel
 * @returns {{x: number, y: number, w: number, h: number}[]} the boxes of its labels, which leave space for the line of the price
 */
export function paintGround(context, view) {
  const { state, width, height, palette } = view;
  context.globalAlpha = 1;
  context.fillStyle = palette.surface;
  context.fillRect(0, 0, width, height);
  let labels = [];
  if (state?.ready) {
    context.globalAlpha = view.mark ? PALE : 1;
    for (const paint of GROUND) paint(context, view);
    labels = paintLabels(context, view);
    context.globalAlpha = 1;
  }
  paintHead(context, view);
  paintFoot(context, view);
  return labels;
}

/** Paint on a ground the parts that show each tick: the line of the price, the day's extremes, the last jumps, pips and direction. */
export function paintFront(context, view) {
  if (!view.state?.ready) return;
  context.globalAlpha = view.mark ? PALE : 1;
  for (const paint of FRONT) paint(context, view);
  context.globalAlpha = 1;
}

/**
 * The texts of the head with their places: the name, the change since the open, and the figure of the volatility beside its ring.
 *
 * @returns {{name: {width: number}, change: {text: string, x: number, width: number}|null, figure: string, figureLeft: number}}
 *   `figureLeft` is where the figure begins, or the ring if there is no space for a figure
 */
export function headParts({ name, state, box, fonts }) {
  const { x, w } = box.head;
  if (!state?.ready) return { name: { width: w }, change: null, figure: "", figureLeft: x + w };
  const change = changeOf(state);
  const texts = Number.isFinite(change) ? [2, 1].map((digits) => changeText(change, digits)) : [];
  const figure = (state.volatility || 0).toFixed(2);
  const widths = texts.map((text) => fonts.width(fonts.change, text));
  const ring = ringWidth(box);
  const figureWidth = fonts.width(fonts.small, figure);
  const fits = placeHead(w, { name: fonts.width(fonts.symbol, name), ring, figure: figureWidth, changes: widths });
  return {
    name: { width: fits.name },
    change: fits.change < 0 ? null : { text: texts[fits.change], x: x + fits.name + 5, width: widths[fits.change] },
    figure: fits.figure ? figure : "",
    figureLeft: x + w - ring - (fits.figure ? figureWidth + 4 : 0),
  };
}

/** The head: the name, and the texts that have space between it and the ring. */
function paintHead(context, view) {
  const { name, state, box, fonts, palette } = view;
  const middle = box.head.y + box.head.h / 2;
  const parts = headParts(view);
  context.font = fonts.symbol;
  context.fillStyle = palette.ink;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(name, box.head.x, middle, parts.name.width + 1);
  if (!state?.ready) return;
  const { change, figure, figureLeft } = parts;
  if (change) {
    context.font = fonts.change;
    context.fillStyle = change.text.startsWith("+") ? palette.up : change.text.startsWith("−") ? palette.down : palette.dim;
    context.fillText(change.text, change.x, middle + 0.5);
  }
  context.font = fonts.small;
  context.fillStyle = palette.dim;
  if (figure) context.fillText(figure, figureLeft, middle + 0.5);
}

/**
 * The texts of the foot with their places: used range, spread, and ticks per second or that the market is not open; with their names where
 * there is space. Without an average range there is no text of it.
 *
 * @returns {{name: string, text: string, x: number, width: number}[]}
 */
export function footTexts({ state, box, fonts, market }) {
  const [range, spread] = [rangeText(state), spreadText(state)];
  const number = count(state.ticks_per_s, state.ticks_per_s < 10 ? 1 : 0);
  const closed = market && market.state !== "open" ? market.state : "";
  const named = /\d/.test(spread) ? `spread ${spread}` : spread;
  const [long, rate] = closed ? [closed, closed] : [`${number} ticks/s`, `${number}/s`];
  const width = (text) => fonts.width(fonts.small, text);
  const names = range ? ["range", "spread", "rate"] : ["spread", "rate"];
  const row = (...texts) => (range ? [range, ...texts] : texts);
  const texts = fittingRow([row(named, long), row(spread, long), row(spread, rate)], box.foot.w, width);
  const widths = texts.map(width);
  const free = box.foot.w - widths.reduce((sum, part) => sum + part, 0);
  let x = box.foot.x;
  return texts.map((text, at) => {
    const part = { name: names[at], text, x, width: widths[at] };
    x += widths[at] + free / (texts.length - 1);
    return part;
  });
}

/** The foot: its texts, or the reason why the picture is out of date. */
function paintFoot(context, view) {
  const { state, box, fonts, palette, mark } = view;
  const y = box.foot.y + box.foot.h / 2;
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
  for (const part of footTexts(view)) context.fillText(part.text, part.x, y);
}
