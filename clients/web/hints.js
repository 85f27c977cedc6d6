/** The hints: the name of the figure below the pointer. A picture has no elements, so the place of the pointer decides. */

import { arrow, hasPips, price, spreadText } from "./format.js";
import { footTexts, headParts } from "./paint.js";
import { bodyLabels } from "./paint_labels.js";
import { priceWidth } from "./paint_price.js";

const NEAR_PX = 3; // of a line

/**
 * The regions of a picture with the text of each, the uppermost first.
 *
 * @param {object} view of a picture, see `viewOf`
 * @returns {{x: number, y: number, w: number, h: number, text: string}[]}
 */
export function regionsOf(view) {
  if (!view.state?.ready) return [];
  return [...labelRegions(view), ...headRegions(view), ...priceRegions(view), ...footRegions(view), ...bodyRegions(view)];
}

/** The text of the region at a point of a picture; empty where there is none. */
export function hintAt(view, x, y) {
  return regionsOf(view).find((region) => x >= region.x && x < region.x + region.w && y >= region.y && y < region.y + region.h)?.text ?? "";
}

function labelRegions(view) {
  return bodyLabels(view).map(({ box, what }) => ({ x: box.x - NEAR_PX, y: box.y - NEAR_PX, w: box.w + 2 * NEAR_PX, h: box.h + 2 * NEAR_PX, text: what }));
}

function headRegions(view) {
  const { state, box } = view;
  const { name, change, figureLeft } = headParts(view);
  const [left, right] = [box.head.x, box.head.x + box.head.w];
  const row = { y: box.head.y, h: box.head.h };
  return [
    { ...row, x: left, w: name.width, text: `${view.name}, source: ${state.source ?? "any"}` },
    ...(change ? [{ ...row, x: change.x, w: change.width, text: `change since the open of the day, ${price(state.open, state.digits)}` }] : []),
    { ...row, x: figureLeft, w: right - figureLeft, text: `volatility ${(state.volatility || 0).toFixed(2)}, at most 3, from the mean move of 50 ticks and the ticks of 10 s; the ring fills with it` },
  ];
}

function priceRegions({ state, box, fonts }) {
  const row = { y: box.price.y, h: box.price.h };
  const [left, right] = [box.price.x, box.price.x + box.price.w];
  const [text, mark] = [priceWidth(state, fonts), right - box.price.h * 0.5];
  const parts = hasPips(state) ? ": big figure, pips and pipette" : "";
  return [
    { ...row, x: left, w: text, text: `price ${price(state.price, state.digits)}${parts}; bid ${price(state.bid, state.digits)}, ask ${price(state.ask, state.digits)}` },
    { ...row, x: mark, w: right - mark, text: `${arrow(state.direction)} direction of the last move` },
    { ...row, x: left + text, w: Math.max(0, mark - left - text), text: "price of the last hour" },
  ];
}

function footRegions(view) {
  const { state, box, mark, market } = view;
  const row = { y: box.foot.y - NEAR_PX, h: box.foot.h + 2 * NEAR_PX };
  if (mark) return [{ ...row, x: box.foot.x, w: box.foot.w, text: `out of date: ${mark}` }];
  const names = {
    range: "range of the day as a share of the average daily range (ADR)",
    spread: `spread, ask less bid: ${spreadText(state)}`,
    rate: market && market.state !== "open" ? `the market is ${market.state}` : "ticks per second, over the last 10 s",
  };
  return footTexts(view).map(({ name, x, width }) => ({ ...row, x: x - NEAR_PX, w: width + 2 * NEAR_PX, text: names[name] }));
}

function bodyRegions({ state, box, y }) {
  const { body, axis } = box;
  const at = y(state.price);
  const profile = "ticks at each price of the day; pale outside of the value area, which has 70 % of them";
  return [
    { x: body.x, y: at - NEAR_PX, w: body.w, h: 2 * NEAR_PX, text: `price ${price(state.price, state.digits)}` },
    { ...body, w: axis - 4 - body.x, text: `sells: ${profile}` },
    { ...body, x: axis + 4, w: body.x + body.w - axis - 4, text: `buys: ${profile}` },
    { ...body, x: axis - 4, w: 8, text: "range of the day; marks at 30, 50, 75 and 100 % of the average range" },
  ];
}

/** Shows the hint of the figure below the mouse; Escape hides it until the mouse is elsewhere. */
export class Hints {
  /**
   * @param {HTMLElement} place whose pictures have hints
   * @param {HTMLElement} element that shows them
   * @param {function(HTMLCanvasElement): object|null} view of a picture
   */
  constructor(place, element, view) {
    Object.assign(this, { element, view, refused: "" });
    place.addEventListener("pointermove", (event) => event.pointerType !== "touch" && this._move(event));
    place.addEventListener("pointerleave", () => this._show(""));
    addEventListener("scroll", () => this._show(""), { passive: true });
    addEventListener("keydown", (event) => event.key === "Escape" && this._refuse());
  }

  _move(event) {
    const canvas = event.target.closest(".card")?.querySelector("canvas") ?? null;
    const [view, place] = [canvas && this.view(canvas), canvas?.getBoundingClientRect()];
    const text = view ? hintAt(view, event.clientX - place.left, event.clientY - place.top) : "";
    if (text !== this.refused) this.refused = "";
    this._show(this.refused ? "" : text, event.clientX, event.clientY);
  }

  _refuse() {
    this.refused = this.element.textContent;
    this._show("");
  }

  /** Show a text beside a point, inside the window. */
  _show(text, x = 0, y = 0) {
    const { element } = this;
    element.hidden = text === "";
    if (element.textContent !== text) element.textContent = text;
    if (!text) return;
    const { offsetWidth: wide, offsetHeight: high } = element;
    element.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - wide - 4))}px`;
    element.style.top = `${y + 18 + high > innerHeight ? y - high - 8 : y + 18}px`;
  }
}
