/** The view of the exchange: state, indices, breadth, lists of securities, and the order book of one. */

import { chip, figures, h, prose, setProse, table } from "../dom.js";
import { dayAndTime } from "../format.js";
import { amount, change, price, shares, stateText, troubleText, WAITING, whole } from "./texts.js";

const READ_MS = 10000; // between two reads of the lists while the view is shown
const BOOK_MS = 3000; // likewise of the order book
const PATIENCE_MS = 2000; // for an answer, before the view says what it needs

const num = (text) => ({ text, num: true });
const changed = (value, unit) => {
  const { text, tone } = change(value, unit);
  return h("span", { class: tone || null }, text);
};

const empty = (text) => h("p", { class: "empty" }, prose(text));

export class MarketView {
  /**
   * @param {HTMLElement} root of the view
   * @param {{request: Function, offers: function(string): boolean, market: function(): ?object}} page
   */
  constructor(root, page) {
    Object.assign(this, { root, page, now: 0, readAt: -Infinity, bookAt: -Infinity, symbol: "" });
    this.state = h("p", { id: "market-state" });
    this.parts = Object.fromEntries(["indices", "summary", "breadth", "gainers", "losers", "turnover", "quantity", "sectors"].map((name) => [name, h("div", { id: `market-${name}` }, h("p", { class: "empty waiting" }, "Reading."))]));
    this.bookField = h("input", { id: "book-symbol", required: true, maxlength: 40, placeholder: "NABIL", spellcheck: "false", autocapitalize: "characters" });
    this.book = h("div", { id: "book", "aria-live": "polite" }, h("p", { class: "empty" }, "Give the symbol of a security."));
    const form = h("form", { id: "book-form", autocomplete: "off", onsubmit: (event) => this._choose(event) },
      h("label", { for: "book-symbol" }, "Symbol"), this.bookField, h("button", { type: "submit" }, "Show"));
    const section = (title, id, ...content) => h("section", { "aria-labelledby": id }, h("h2", { id }, title), ...content);
    root.replaceChildren(
      h("section", { class: "wide", "aria-labelledby": "market-head" }, h("h2", { id: "market-head" }, "NEPSE"), this.state, this.parts.summary),
      h("div", { class: "stack" },
        section("Indices", "indices-head", this.parts.indices),
        section("Advances and declines", "breadth-head", this.parts.breadth)),
      section("Order book", "book-head", form, this.book),
      section("Top gainers", "gainers-head", this.parts.gainers),
      section("Top losers", "losers-head", this.parts.losers),
      section("Highest turnover", "turnover-head", this.parts.turnover),
      section("Most shares traded", "quantity-head", this.parts.quantity),
      section("Sectors", "sectors-head", this.parts.sectors));
  }

  /** The entry of the page's list of views. */
  get entry() {
    return { name: "market", title: "Market", elements: [this.root], offered: () => this.page.offers("nepse.read"), open: () => this._turn(performance.now(), true), turn: (now) => this._turn(now) };
  }

  _turn(now, isOpened = false) {
    this.now = now;
    this._paintState();
    if (isOpened || now - this.readAt >= READ_MS) this._readAll();
    if (this.reading && now - this.readAt >= PATIENCE_MS) this._tell(WAITING);
    if (this.symbol && now - this.bookAt >= BOOK_MS) this._readBook();
  }

  _paintState() {
    const { text, tone } = stateText(this.page.market(), dayAndTime);
    if (this.state.dataset.text === text) return;
    this.state.dataset.text = text;
    this.state.replaceChildren(chip(text, tone));
  }

  /** Read all lists, one after the other, as a worker does: a browser has at most a few requests in progress. */
  async _readAll() {
    this._paintState();
    if (this.reading) return;
    this.readAt = this.now;
    this.reading = true;
    for (const [what, part] of Object.entries(this.parts)) {
      try {
        part.replaceChildren(this[`_${what}`](await this.page.request("nepse.read", { what })));
      } catch (error) {
        part.replaceChildren(empty(troubleText(error)));
        if (error.code !== "TIMEOUT") continue;
        this._tell(troubleText(error)); // no worker answers: the next reads would wait as long
        break;
      }
    }
    this.reading = false;
  }

  /** Say why there is nothing: in the first list that was not read yet; the others say only that there is none. */
  _tell(text) {
    [...this.root.querySelectorAll(".waiting")].forEach((element, at) => setProse(element, at ? "No answer yet." : text));
  }

  _choose(event) {
    event.preventDefault();
    this.symbol = this.bookField.value.trim().toUpperCase();
    this._show(this.symbol);
  }

  /** Show the order book of a security. */
  _show(symbol) {
    this.symbol = symbol;
    this.bookField.value = symbol;
    this.book.replaceChildren(empty(`Reading the order book of ${symbol}.`));
    this._readBook();
  }

  async _readBook() {
    this.bookAt = this.now;
    const symbol = this.symbol;
    let shown;
    try {
      shown = this._bookOf(symbol, await this.page.request("nepse.read", { what: "book", symbol }));
    } catch (error) {
      shown = [empty(`${symbol}: ${troubleText(error)}`)];
    }
    if (symbol === this.symbol) this.book.replaceChildren(...shown);
  }

  _bookOf(symbol, { bids, asks, bid_total: bidTotal, ask_total: askTotal }) {
    if (!bids.length && !asks.length) return [empty(`${symbol} has no orders: the market is closed, or there is no offer.`)];
    const side = (rows, tone) => rows.map((row) => [h("span", { class: tone }, price(row.price)), whole(row.quantity), whole(row.orders)]);
    const heads = (title) => [title, num("shares"), num("orders")];
    return [
      h("p", { class: "note" }, `${symbol}, the best five prices of each side`),
      h("div", { class: "book" },
        h("div", {}, table(`Bids of ${symbol}`, heads("bid"), side(bids, "up"), "No bids."), h("p", { class: "note" }, `all bids: ${whole(bidTotal)} shares`)),
        h("div", {}, table(`Offers of ${symbol}`, heads("ask"), side(asks, "down"), "No offers."), h("p", { class: "note" }, `all offers: ${whole(askTotal)} shares`)))];
  }

  _indices(rows) {
    return table("Indices", ["index", num("value"), num("change"), num("%")], rows.map((row) => [row.name, price(row.value), changed(row.change), changed(row.percent, " %")]), "The exchange names no index.");
  }

  _sectors(rows) {
    return table("Sectors", ["sector", num("value"), num("change"), num("%")], rows.map((row) => [row.name, price(row.value), changed(row.change), changed(row.percent, " %")]), "The exchange names no sector.");
  }

  _summary(rows) {
    const name = (text) => String(text).replace(/ Rs:?$/, "").replace(/^Total /, "").toLowerCase();
    return figures(rows.map((row) => [name(row.name), /Rs/.test(row.name) ? `Rs ${amount(row.value)}` : whole(row.value)]));
  }

  _breadth(counts) {
    const parts = shares(counts);
    if (!parts.some(({ number }) => number)) return empty("No security has traded in this session.");
    const bars = parts.map(({ name, number, tone, share }) => h("div", { class: `part ${tone}`.trim() },
      h("span", { class: "what" }, name), h("meter", { min: 0, max: 100, value: share.toFixed(1), "aria-label": name }), h("span", { class: "num" }, `${whole(number)} (${share.toFixed(0)} %)`)));
    return h("div", { class: "breadth" }, bars);
  }

  _gainers(rows) {
    return this._movers("Top gainers", rows);
  }

  _losers(rows) {
    return this._movers("Top losers", rows);
  }

  _movers(title, rows) {
    return table(title, ["security", num("price"), num("change"), num("%")], rows.map((row) => [this._link(row.symbol), price(row.price), changed(row.change), changed(row.percent, " %")]), "None.");
  }

  _turnover(rows) {
    return table("Highest turnover", ["security", num("price"), num("turnover, Rs")], rows.map((row) => [this._link(row.symbol), price(row.price), amount(row.amount)]), "None.");
  }

  _quantity(rows) {
    return table("Most shares traded", ["security", num("price"), num("shares")], rows.map((row) => [this._link(row.symbol), price(row.price), whole(row.amount)]), "None.");
  }

  /** A security, whose order book a click shows. */
  _link(symbol) {
    return h("button", { type: "button", class: "link", title: `Order book of ${symbol}`, onclick: () => {
      this._show(symbol);
      this.book.closest("section").scrollIntoView({ block: "nearest" });
    } }, symbol);
  }
}
