/** The view "Table": all symbols that tick, with filter, order, groups, pinned rows, columns and layouts. */

import { h, prose, setText } from "../dom.js";
import { count } from "../format.js";
import { Layouts } from "../layouts/own.js";
import { LayoutPicker } from "../layouts/picker.js";
import { arrangeQuotes, readFilter } from "./arrange.js";
import { COLUMNS, GROUPS, SHOWN_SMALL } from "./columns.js";
import { FORM } from "./form.js";
import { Grid } from "./grid.js";
import { QuoteStore } from "./quotes.js";
import { SymbolDialog } from "./symbol.js";

const AGAIN_MS = 2000; // between two sorts by a figure: rows that move all the time cannot be read
const NONE = "No symbol ticks yet. `hulak feeds` shows what is connected.";
const SMALL = "(max-width: 700px)";

/** The view. */
export class TableView {
  /**
   * @param {{latency: object, spark: function(string), subscribe: function(object), unsubscribe: function(object), read: function(object, object), open: function(string): boolean, storage: object|null, request: Function, offers: function(string): boolean, why: function(string): string}} tools
   *   `open` shows the details of a symbol's display; false if it has none; `why` returns why there are no rows, or its argument
   */
  constructor(tools) {
    Object.assign(this, { tools, store: new QuoteStore(), layouts: new Layouts(tools.storage, FORM), shown: false, changed: false, arrangedAt: -Infinity });
    this.small = matchMedia(SMALL);
    this.small.addEventListener("change", () => this._reshape());
    this.dialog = new SymbolDialog({ quotes: this.store.quotes, read: tools.read, request: tools.request });
    this._build();
    const spark = (symbol) => [tools.spark(symbol), this.store.line(symbol)].find((line) => line.length) ?? [];
    this.grid = new Grid(this.body, {
      quotes: this.store.quotes, spark, sort: (name) => this._sort(name), pin: (symbol) => this._pin(symbol), open: (symbol) => this._open(symbol),
    });
    this._apply();
    this._explain();
  }

  _build() {
    this.filter = h("input", { type: "search", maxlength: "200", placeholder: "EUR %>0.5 spread<2", spellcheck: "false", autocapitalize: "characters", oninput: () => this._change({ filter: this.filter.value }) });
    this.group = h("select", { onchange: () => this._change({ group: this.group.value }) }, Object.entries(GROUPS).map(([value, [text]]) => h("option", { value }, text)));
    this.boxes = new Map(COLUMNS.slice(1).map(({ name }) => [name, h("input", { type: "checkbox", onchange: () => this._columns() })]));
    const columns = h("details", { class: "columns" }, h("summary", {}, "Columns"),
      h("div", { class: "menu" }, COLUMNS.slice(1).map(({ name, head, title }) => h("label", { title }, this.boxes.get(name), ` ${head}`))));
    this.picker = new LayoutPicker(this.layouts, this.tools, () => this._apply());
    this.total = h("span", { class: "count" });
    this.trouble = h("p", { class: "note warn", role: "status" });
    this.body = h("div", { id: "quotes", role: "grid", tabindex: "0", "aria-label": "Quotes; arrow keys move, Enter opens the details, p pins", "aria-readonly": "true" });
    this.empty = h("p", { class: "empty" });
    this.element = h("section", { class: "view whole table", "aria-labelledby": "table-head", hidden: true },
      h("div", { class: "head" }, h("h2", { id: "table-head" }, "Quotes ", this.total)),
      h("div", { class: "bar-tools", role: "search", "aria-label": "Quotes" },
        h("label", { title: "Words in the symbol or the venue, and conditions: a column, a sign and a number, such as %>1, spread<2 or age>10" }, "Filter ", this.filter),
        h("label", {}, "Group by ", this.group), columns, this.picker.element),
      this.trouble, this.empty, this.body, this.dialog.element);
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.target.matches("input, select")) return;
      event.preventDefault();
      this.filter.focus();
    });
  }

  // Of the page

  open() {
    this.shown = true;
    this.picker.soon();
    this.tools.subscribe({ quotes: true });
  }

  close() {
    this.shown = false;
    this.tools.unsubscribe({ quotes: true });
    this.store.clear();
    this.grid.arrange([], performance.now());
  }

  /** Forget the quotes: a new connection sends all of them. */
  reset() {
    this.store.clear();
    this.changed = true;
    this.picker.soon(); // its rights may be others
    this.picker.paint();
  }

  /** Take the rows of a frame. */
  take(rows, sentMs, now) {
    if (!this.shown) return;
    this.changed = this.store.take(rows, sentMs, now) || this.changed;
    this.dirty = true;
  }

  turn(now) {
    this._explain();
    const figures = !["symbol", "venue"].includes(this.layouts.shown.sort) || /[<>=]/.test(this.layouts.shown.filter);
    if (this.changed || (figures && now - this.arrangedAt >= AGAIN_MS)) this._arrange(now);
    this.grid.paint(now, true);
    this.picker.turn(now);
    this.dialog.refresh(now);
  }

  /** Write what has changed, once in each frame of the screen; returns the number of rows. */
  frame(now) {
    if (!this.shown) return 0;
    if (this.changed && now - this.arrangedAt > 250) this._arrange(now);
    const painted = this.dirty || this.flashing ? this.grid.paint(performance.now(), false) : [];
    this.flashing = painted.length > 0 || (this.flashing && now - this.paintedAt < 500);
    if (painted.length) this.paintedAt = now;
    this.dirty = false;
    const at = performance.now();
    for (const quote of painted) if (quote.measured) this.tools.latency.painted(at, quote.agedMs + at - quote.arrived);
    return painted.length;
  }

  recolour(palette) {
    this.grid.recolour(palette);
    this.dialog.candles.recolour(palette);
  }

  // The layout

  _change(part) {
    this.layouts.change(part);
    this._apply();
  }

  _apply() {
    const { shown } = this.layouts;
    if (this.filter.value !== shown.filter) this.filter.value = shown.filter;
    this.group.value = shown.group;
    for (const [name, box] of this.boxes) box.checked = shown.columns.includes(name);
    this.read = readFilter(shown.filter);
    setText(this.trouble, this.read.error);
    this.trouble.hidden = !this.read.error;
    this._reshape();
  }

  _reshape() {
    const { columns, sort, descending } = this.layouts.shown;
    this.grid.shape(this.small.matches ? SHOWN_SMALL : columns, sort, descending);
    this._arrange(performance.now());
  }

  _arrange(now) {
    const { sort, descending, group, pinned } = this.layouts.shown;
    const items = arrangeQuotes(this.store.quotes.values(), { filter: this.read.test, sort, descending, group, pinned: new Set(pinned) }, now);
    this.grid.arrange(items, now);
    const rows = items.filter((item) => item.symbol !== undefined).length;
    setText(this.total, rows === this.store.quotes.size ? count(rows) : `${count(rows)} of ${count(this.store.quotes.size)}`);
    this.empty.hidden = this.store.quotes.size > 0;
    [this.arrangedAt, this.changed] = [now, false];
  }

  /** Write why there are no rows, when that has changed. */
  _explain() {
    const text = this.tools.why(NONE);
    if (text !== this.explained) this.empty.replaceChildren(prose(text));
    this.explained = text;
  }

  _sort(name) {
    const { sort, descending } = this.layouts.shown;
    this._change(name === sort ? { descending: !descending } : { sort: name, descending: name !== "symbol" && name !== "venue" });
  }

  _pin(symbol) {
    const { pinned } = this.layouts.shown;
    this._change({ pinned: pinned.includes(symbol) ? pinned.filter((other) => other !== symbol) : [...pinned, symbol] });
  }

  _columns() {
    this._change({ columns: COLUMNS.map(({ name }) => name).filter((name) => name === "symbol" || this.boxes.get(name).checked) });
  }

  _open(symbol) {
    if (!this.tools.open(symbol)) this.dialog.open(symbol);
  }
}
