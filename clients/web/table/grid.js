/**
 * The rows on the screen: a grid that has elements for the visible rows only, whatever the number of symbols.
 *
 * Each element is used again for another symbol as the table scrolls; a cell is touched only when its text changes.
 */

import { h } from "../dom.js";
import { BY_NAME, titleOf } from "./columns.js";
import { flashOf } from "./quotes.js";

const ROW_PX = 30;
const BEYOND = 4; // rows above and below the visible ones
const PAGE = 15; // rows of Page Up and Page Down, at least

/** One row's elements, for one symbol at a time. */
class Row {
  constructor(columns, pin) {
    this.cells = columns.map((name) => ({ name, column: BY_NAME.get(name), text: null, element: h("div", { role: "gridcell", class: `cell ${name}`, title: BY_NAME.get(name).title }) }));
    this.element = h("div", { role: "row", class: "row" }, this.cells.map((cell) => cell.element));
    const [first] = this.cells;
    this.name = h("span", {});
    this.pin = h("button", { type: "button", class: "pin", tabindex: "-1", onclick: () => pin(this.symbol) }, "☆");
    first.element.append(this.pin, this.name);
    const hour = this.cells.find(({ name }) => name === "hour");
    this.canvas = hour ? h("canvas", { "aria-hidden": "true" }) : null;
    if (hour) hour.element.append(this.canvas);
    this.symbol = null;
  }
}

/** The grid. */
export class Grid {
  /**
   * @param {HTMLElement} element gets heads and rows
   * @param {{quotes: Map, spark: function(string), sort: function(string), pin: function(string), open: function(string)}} tools
   */
  constructor(element, tools) {
    Object.assign(this, { element, tools, items: [], rows: new Map(), free: [], active: 0, palette: null, columns: [] });
    this.heads = h("div", { role: "row", class: "heads", "aria-rowindex": "1" });
    this.space = h("div", { role: "rowgroup", class: "space" });
    element.replaceChildren(h("div", { role: "rowgroup", class: "headgroup" }, this.heads), this.space);
    element.addEventListener("scroll", () => this.place(performance.now()), { passive: true });
    element.addEventListener("keydown", (event) => this._key(event));
    element.addEventListener("focus", () => this._mark());
    element.addEventListener("click", (event) => this._clicked(event));
  }

  /** Show these columns; `sort` is marked in its head. */
  shape(columns, sort, descending) {
    if (columns.join() !== this.columns.join()) {
      this.columns = columns;
      this.element.style.setProperty("--tracks", columns.map((name) => `minmax(${BY_NAME.get(name).width}, 1fr)`).join(" "));
      for (const row of [...this.rows.values(), ...this.free]) row.element.remove();
      [this.rows, this.free] = [new Map(), []];
      this.element.setAttribute("aria-colcount", String(columns.length));
      this.buttons = columns.map((name) => h("button", { type: "button", title: BY_NAME.get(name).title, onclick: () => this.tools.sort(name) }, BY_NAME.get(name).head));
      this.headCells = columns.map((name, at) => h("div", { role: "columnheader", class: `cell ${name}` }, this.buttons[at]));
      this.heads.replaceChildren(...this.headCells);
    }
    columns.forEach((name, at) => {
      this.headCells[at].setAttribute("aria-sort", name !== sort ? "none" : descending ? "descending" : "ascending");
    });
  }

  /** Show these items, see `arrangeQuotes`. */
  arrange(items, now) {
    const symbol = this.items[this.active]?.symbol;
    this.items = items;
    const at = symbol === undefined ? -1 : items.findIndex((item) => item.symbol === symbol);
    this.active = at >= 0 ? at : Math.min(this.active, Math.max(0, items.length - 1));
    this.element.setAttribute("aria-rowcount", String(items.length + 1));
    this.space.style.height = `${items.length * ROW_PX}px`;
    this.place(now);
  }

  /** Give each visible item a row. */
  place(now) {
    const top = Math.max(0, Math.floor(this.element.scrollTop / ROW_PX) - BEYOND);
    const bottom = Math.min(this.items.length, Math.ceil((this.element.scrollTop + this.element.clientHeight) / ROW_PX) + BEYOND);
    for (const [at, row] of this.rows) {
      if (at >= top && at < bottom && this.items[at].symbol !== undefined && this.items[at].symbol === row.symbol) continue;
      this.rows.delete(at);
      if (row.symbol === undefined) row.element.remove();
      else this.free.push(row);
    }
    for (let at = top; at < bottom; at += 1) if (!this.rows.has(at)) this.rows.set(at, this._row(at));
    for (const row of this.free) row.element.hidden = true;
    this._mark();
    this.paint(now, true);
  }

  _row(at) {
    const item = this.items[at];
    if (item.group !== undefined) {
      const element = h("div", { role: "row", class: "row group" }, h("div", { role: "gridcell", class: "cell", "aria-colspan": String(this.columns.length) }, `${item.group} (${item.count})`));
      this.space.append(element);
      return this._moved({ element, symbol: undefined, cells: [] }, at);
    }
    const row = this.free.pop() ?? new Row(this.columns, this.tools.pin);
    if (!row.element.isConnected) this.space.append(row.element);
    row.element.hidden = false;
    row.symbol = item.symbol;
    row.name.textContent = row.name.title = item.symbol; // it may be longer than its column
    row.element.classList.toggle("pinned", item.pinned);
    row.pin.textContent = item.pinned ? "★" : "☆";
    row.pin.setAttribute("aria-label", item.pinned ? `Unpin ${item.symbol}` : `Pin ${item.symbol}`);
    row.quote = row.spark = null;
    return this._moved(row, at);
  }

  _moved(row, at) {
    row.element.id = `quote-${at}`;
    row.element.style.transform = `translateY(${at * ROW_PX}px)`;
    row.element.setAttribute("aria-rowindex", String(at + 2));
    return row;
  }

  /**
   * Write what has changed into the visible rows.
   *
   * @param {number} now ms
   * @param {boolean} all also what changes with time: ages and lines
   * @returns {object[]} the quotes that were written for the first time
   */
  paint(now, all) {
    const painted = [];
    for (const row of this.rows.values()) {
      if (row.symbol === undefined) continue;
      const quote = this.tools.quotes.get(row.symbol);
      if (!quote) continue;
      const flash = flashOf(quote, now);
      if (row.flash !== flash) row.element.dataset.moved = (row.flash = flash) > 0 ? "up" : flash < 0 ? "down" : "";
      if (row.quote === quote && !all) continue;
      this._write(row, quote, now, all);
      if (!quote.painted) painted.push(quote);
      quote.painted = true;
      row.quote = quote;
    }
    return painted;
  }

  _write(row, quote, now, all) {
    for (const cell of row.cells) {
      const { name, column, element } = cell;
      if (name === "symbol") continue;
      if (name === "hour") {
        if (all) this._line(row);
        continue;
      }
      const text = column.text(quote, now);
      if (text === cell.text) continue;
      cell.text = element.textContent = text;
      if (name === "range") element.style.setProperty("--place", Number.isFinite(quote.place) ? String(quote.place) : "0");
      if (column.isChange) element.dataset.tone = text.startsWith("+") ? "up" : text.startsWith("−") ? "down" : "";
      if (name === "change" || name === "range") element.title = titleOf(column, quote);
    }
  }

  _line(row) {
    if (!row.canvas || !this.palette) return;
    const line = this.tools.spark(row.symbol);
    const key = line.length ? `${line.length} ${line.at(-1)} ${line[0]}` : "";
    if (row.spark === key) return;
    row.spark = key;
    const [width, height, ratio] = [96, ROW_PX - 8, devicePixelRatio];
    [row.canvas.width, row.canvas.height] = [width * ratio, height * ratio];
    if (!line.length) return;
    const context = row.canvas.getContext("2d");
    context.scale(ratio, ratio);
    const prices = line.map(([, price]) => price);
    const [low, high] = [Math.min(...prices), Math.max(...prices)];
    const y = (price) => (high > low ? 1 + (height - 2) * (1 - (price - low) / (high - low)) : height / 2);
    context.strokeStyle = prices.at(-1) >= prices[0] ? this.palette.up : this.palette.down;
    context.lineWidth = 1.25;
    context.beginPath();
    line.forEach(([at, price], number) => context[number ? "lineTo" : "moveTo"](at * width, y(price)));
    context.stroke();
  }

  /** Draw all lines again, in these colours. */
  recolour(palette) {
    this.palette = palette;
    for (const row of [...this.rows.values(), ...this.free]) row.spark = null;
  }

  // The keyboard

  _key(event) {
    if (event.target !== this.element || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(PAGE, Math.floor(this.element.clientHeight / ROW_PX) - 2);
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in moves) this._move(moves[event.key]);
    else if (event.key === "Enter" && this.items[this.active]?.symbol) this.tools.open(this.items[this.active].symbol);
    else if (event.key === "p" && this.items[this.active]?.symbol) this.tools.pin(this.items[this.active].symbol);
    else return;
    event.preventDefault();
  }

  _move(by) {
    const wanted = Math.min(this.items.length - 1, Math.max(0, this.active + by));
    this.active = wanted;
    if (this.items[wanted]?.group !== undefined) this.active = Math.min(this.items.length - 1, Math.max(0, wanted + (by < 0 && wanted > 0 ? -1 : 1)));
    const [top, view] = [this.active * ROW_PX, this.element];
    const room = view.clientHeight - this.heads.offsetHeight;
    if (top < view.scrollTop) view.scrollTop = top;
    else if (top + ROW_PX > view.scrollTop + room) view.scrollTop = top + ROW_PX - room;
    this.place(performance.now());
  }

  _mark() {
    for (const [at, row] of this.rows) row.element.setAttribute("aria-selected", String(at === this.active && row.symbol !== undefined));
    if (this.rows.has(this.active)) this.element.setAttribute("aria-activedescendant", `quote-${this.active}`);
    else this.element.removeAttribute("aria-activedescendant");
  }

  _clicked(event) {
    if (event.target.closest("button")) return;
    const found = [...this.rows].find(([, row]) => row.symbol !== undefined && row.element.contains(event.target));
    if (!found) return;
    const [at, row] = found;
    const again = at === this.active;
    this.active = at;
    this._mark();
    if (again && event.detail > 1) this.tools.open(row.symbol);
  }
}
