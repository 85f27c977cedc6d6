/** A large display with all its figures, in a dialog that Escape closes. */

import { INTERVALS } from "./bars.js";
import { byId, h, setText } from "./dom.js";
import { adrUsed, age, count, hasPips, price, spoken, spreadText, timeOfDay } from "./format.js";
import { changeOf, changeText } from "./paint_spark.js";
import { ageOf } from "./store.js";

const PICTURE = "picture"; // of the views; the others are the intervals of candles

/**
 * The figures of a display: names and texts, in reading order.
 *
 * @returns {string[][]}
 */
export function detailRows(display, now) {
  const { state } = display;
  const show = (value) => price(value, state.digits);
  const range = (low, high) => `${show(low)} – ${show(high)}`;
  const used = adrUsed(state);
  return [
    ["source", state.source ?? "any"],
    ["bid", show(state.bid)], ["ask", show(state.ask)], ["mid", price(state.mid, state.digits + 1)], ...(hasPips(state) ? [] : [["tick size", show(state.tick_size)]]),
    ["spread", spreadText(state)],
    ["open", show(state.open)], ["change", changeText(changeOf(state))], ["day", range(state.low, state.high)], ["ADR", state.adr_source === "day" ? "–" : range(state.adr_low, state.adr_high)],
    ["ADR used", Number.isFinite(used) ? `${Math.round(used * 100)} %` : "–"], ["ADR tier", Number.isFinite(state.adr_tier) && state.adr_source !== "day" ? `${Math.round(state.adr_tier * 100)} %` : "–"],
    ["volatility", count(state.volatility, 3)], ["intensity", `${Math.round(state.volatility_intensity * 100)} %`],
    ["ticks/s", count(state.ticks_per_s, 1)], ["ticks today", count(state.ticks)],
    ["left out", leftOut(state.left_out)],
    ["TWAP", show(state.twap)], ["point of control", show(state.poc)],
    ["value area", state.value_area ? range(state.value_area.low, state.value_area.high) : "–"],
    ["profile", display.profile ? `${count(display.profile.levels.size)} levels of ${display.profile.bucket}` : "–"],
    ["deflection", `▲ ${count(state.deflection?.up ?? 0, 1)}  ▼ ${count(state.deflection?.down ?? 0, 1)}`],
    ["venue's time", timeOfDay(state.timestamp)], ["age", age(ageOf(display, now))],
    ["tick number", count(state.number)], ["configuration", `version ${state.config_version ?? "–"}`],
  ];
}

/** The title of a display: its symbol, and its id unless that is the symbol in small letters. */
export function titleOf({ id, state }) {
  return id === state.symbol.toLowerCase() ? state.symbol : `${state.symbol}, ${id}`;
}

/** The ignored ticks of the day by reason: "late 3, ahead 1". */
function leftOut(counts) {
  return Object.entries(counts ?? {}).filter(([, number]) => number > 0).map(([reason, number]) => `${reason} ${count(number)}`).join(", ") || "–";
}

/** The dialog. */
export class Detail {
  /** @param {{store: object, loop: object, candles: object, remove: function(string): Promise, closed: function(string)}} tools */
  constructor({ store, loop, candles, remove, closed }) {
    Object.assign(this, { store, loop, candles, id: null });
    this.dialog = byId("detail");
    this.title = byId("detail-title");
    this.list = byId("detail-figures");
    this.trouble = byId("detail-trouble");
    this.cells = [];
    this.views = new Map([PICTURE, ...INTERVALS].map((view) => [view, h("button", { type: "button", class: "small", onclick: () => this.show(view) }, view)]));
    byId("detail-views").replaceChildren(...this.views.values());
    byId("detail-close").addEventListener("click", () => this.dialog.close());
    byId("detail-remove").addEventListener("click", () => this._remove(remove));
    this.dialog.addEventListener("close", () => this._closed(closed));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
  }

  /** Show a display. */
  open(id) {
    if (this.id !== null) return;
    this.id = id;
    this.canvas = h("canvas", { role: "img" });
    byId("detail-picture").replaceChildren(this.canvas);
    this.loop.add(this.canvas, id, false);
    setText(this.trouble, "");
    this.list.replaceChildren();
    this.cells = [];
    this.refresh("", performance.now());
    this.show(PICTURE);
    this.dialog.showModal();
  }

  /** Show the picture, or the candles of an interval. */
  show(view) {
    const { state } = this.store.displays.get(this.id);
    for (const [name, button] of this.views) button.setAttribute("aria-pressed", String(name === view));
    byId("detail-picture").hidden = view !== PICTURE;
    byId("detail-candles").hidden = view === PICTURE;
    if (view === PICTURE) this.candles.close();
    else this.candles.open(state.symbol, state.digits, view);
  }

  /** Update the figures; close the dialog when the display is removed. */
  refresh(mark, now) {
    if (this.id === null) return;
    const display = this.store.displays.get(this.id);
    if (!display) {
      this.dialog.close();
      return;
    }
    setText(this.title, titleOf(display));
    this.canvas.setAttribute("aria-label", spoken(display.state.symbol, display.state, mark));
    const rows = display.state.ready ? detailRows(display, now) : [];
    if (this.cells.length !== rows.length) {
      this.cells = rows.map(() => h("dd"));
      this.list.replaceChildren(...rows.map(([name], at) => h("div", {}, h("dt", {}, name), this.cells[at])));
    }
    rows.forEach(([, text], at) => setText(this.cells[at], text));
  }

  async _remove(remove) {
    try {
      await remove(this.id);
      this.dialog.close();
    } catch (error) {
      setText(this.trouble, error.message);
    }
  }

  _closed(closed) {
    const id = this.id;
    this.id = null;
    this.candles.close();
    this.loop.remove(this.canvas);
    byId("detail-picture").replaceChildren();
    closed(id);
  }
}
