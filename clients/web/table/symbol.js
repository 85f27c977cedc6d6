/** The details of a symbol that has no display: its candles and all its figures, in a dialog that Escape closes. */

import { INTERVALS } from "../bars.js";
import { Candles } from "../candles.js";
import { byId, h, setText } from "../dom.js";
import { price } from "../format.js";
import { COLUMNS } from "./columns.js";

const FIRST = "1m"; // the interval that is shown at first

/**
 * The figures of a quote: names, texts and meanings, in reading order.
 *
 * @returns {string[][]}
 */
export function figuresOf(quote, now) {
  const shown = COLUMNS.filter(({ name }) => name !== "symbol" && name !== "hour").map(({ head, text, title }) => [head, text(quote, now), title]);
  const prices = [["Open", "open", "The open of the day"], ["High", "high", "The high of the day"], ["Low", "low", "The low of the day"], ["Close before", "previous_close", "The close of the day before"]];
  return [...shown, ...prices.map(([head, name, title]) => [head, price(quote[name], quote.digits), title])];
}

/** The dialog. */
export class SymbolDialog {
  /** @param {{quotes: Map<string, object>, read: function(object, object): function(), request: Function}} tools `read` begins a stream, as `Streams.read` */
  constructor({ quotes, read, request }) {
    Object.assign(this, { quotes, symbol: null, cells: [] });
    this.title = h("h2", { id: "symbol-title" });
    this.legend = h("p", { id: "symbol-legend", class: "note" });
    this.host = h("div", { class: "chart", role: "group", tabindex: "0", "aria-label": "Candles; arrow keys move, plus and minus zoom, Home and End show the oldest and newest", "aria-describedby": "symbol-legend" });
    this.list = h("dl", {});
    this.candles = new Candles(this.host, this.legend, { read, request });
    this.views = new Map(INTERVALS.map((interval) => [interval, h("button", { type: "button", class: "small", onclick: () => this._show(interval) }, interval)]));
    const maker = byId("detail-candles").querySelector("p:last-child").cloneNode(true); // the chart library's licence asks for its name
    this.element = h("dialog", { class: "symbol", "aria-labelledby": "symbol-title", onclose: () => this._closed() }, h("div", { class: "sheet" },
      h("div", { class: "head" }, this.title, h("button", { type: "button", onclick: () => this.element.close() }, "Close ", h("kbd", {}, "Esc"))),
      h("div", { class: "split" },
        h("div", {}, h("div", { class: "intervals", role: "group", "aria-label": "Interval" }, [...this.views.values()]), this.legend, this.host, maker),
        this.list)));
    this.element.addEventListener("click", (event) => event.target === this.element && this.element.close());
  }

  /** Show a symbol that has a quote. */
  open(symbol) {
    if (this.symbol !== null || !this.quotes.has(symbol)) return;
    this.symbol = symbol;
    setText(this.title, symbol);
    this.cells = [];
    this.element.showModal();
    this.refresh(performance.now());
    this._show(FIRST);
  }

  /** Update the figures; they stay as they are while the symbol has no quote. */
  refresh(now) {
    const quote = this.symbol === null ? undefined : this.quotes.get(this.symbol);
    if (!quote) return;
    const rows = figuresOf(quote, now);
    if (!this.cells.length) {
      this.cells = rows.map(() => h("dd"));
      this.list.replaceChildren(...rows.map(([head, , title], at) => h("div", { title }, h("dt", {}, head), this.cells[at])));
    }
    rows.forEach(([, text], at) => setText(this.cells[at], text));
  }

  _show(interval) {
    for (const [name, button] of this.views) button.setAttribute("aria-pressed", String(name === interval));
    this.candles.open(this.symbol, this.quotes.get(this.symbol)?.digits ?? 5, interval);
  }

  _closed() {
    this.symbol = null;
    this.candles.close();
  }
}
