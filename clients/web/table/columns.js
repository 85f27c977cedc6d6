/** The columns of the table: names, texts, and what a filter and a sort compare. Pure. */

import { marketOf } from "../arrange.js";
import { age, count, pips, price, timeOfDay } from "../format.js";
import { changeText } from "../paint_spark.js";
import { ageOf } from "./quotes.js";

/**
 * @typedef {object} Column
 * @property {string} name as in filters and layouts
 * @property {string} head
 * @property {string} title what it is, in words
 * @property {string} width least one of the grid's track
 * @property {function(object, number): (number|string)} value compared by filters and sorts
 * @property {function(object, number): string} text shown
 * @property {boolean} isChange its sign has a colour
 */

const isPair = (quote) => quote.digits === 5 || quote.digits === 3;

/** @type {Column[]} */
export const COLUMNS = [
  column("symbol", "Symbol", "The symbol, with the prefix of its feed", "9.2rem", (quote) => quote.symbol, (quote) => quote.symbol),
  column("last", "Last", "The last trade, or the middle of bid and ask", "5.5rem", (quote) => quote.price, (quote) => price(quote.price, quote.digits)),
  column("change", "Change", "Change since the open of the day (00:00 UTC; an exchange's own open)", "5.2rem", (quote) => quote.change, (quote) => changeText(quote.change), true),
  column("prev", "Prev. close", "Change since the close of the day before", "5.8rem", (quote) => quote.previous_change, (quote) => changeText(quote.previous_change), true),
  column("bid", "Bid", "The best bid", "5.5rem", (quote) => quote.bid, (quote) => price(quote.bid, quote.digits)),
  column("ask", "Ask", "The best ask", "5.5rem", (quote) => quote.ask, (quote) => price(quote.ask, quote.digits)),
  column("spread", "Spread", "Ask less bid: in pips for currency pairs, else in hundredths of a percent of the price; none where both are the last price", "5rem", spreadOf, spreadText),
  column("range", "Range", "Where the last price is between the low (left) and the high (right) of the day", "6.5rem", (quote) => quote.place * 100, rangeText),
  column("width", "High–low", "High of the day above its low", "5rem", (quote) => quote.range, (quote) => changeText(quote.range).replace("+", "")),
  column("volatility", "Volatility", "Standard deviation of an hour's move, by the moves of the last five minutes", "5.4rem", (quote) => quote.volatility, (quote) => (Number.isFinite(quote.volatility) ? `${quote.volatility.toFixed(2)}%` : "–")),
  column("volume", "Volume", "Traded today, where the venue tells it", "6rem", (quote) => quote.volume, (quote) => count(quote.volume)),
  column("ticks", "Ticks", "Ticks of the day since the table was opened", "5rem", (quote) => quote.ticks, (quote) => count(quote.ticks)),
  column("age", "Age", "Time since the newest tick", "4.4rem", ageOf, (quote, now) => age(ageOf(quote, now))),
  column("venue", "Venue", "The source of the ticks", "6rem", (quote) => String(quote.source), (quote) => String(quote.source)),
  column("hour", "Last hour", "Closes of the last 60 minutes, of the bars of hulak derive; without them, of the minutes since the table was opened", "7.6rem", (quote) => quote.change, () => ""),
];

export const BY_NAME = new Map(COLUMNS.map((each) => [each.name, each]));
export const SHOWN = ["symbol", "last", "change", "prev", "bid", "ask", "spread", "range", "volatility", "volume", "age", "hour"];
export const SHOWN_SMALL = ["symbol", "last", "change", "age"]; // on a phone
export const GROUPS = { // name -> text, and the name of a quote's group
  none: ["none", () => ""],
  market: ["market", marketOf],
  venue: ["venue", (quote) => String(quote.source || "any venue")],
  currency: ["currency", (quote) => (/(?:^|\.)[A-Z]{6}$/.test(quote.symbol) ? quote.symbol.slice(-3) : "other")],
};

/** The tooltip of a cell: the meaning of its column, and the details of this quote. */
export function titleOf(column_, quote) {
  if (column_.name === "change" && quote.since_ms > 0) return `Change since ${timeOfDay(quote.since_ms)}: the open of the day is not known`;
  if (column_.name === "range" && Number.isFinite(quote.low)) {
    const since = quote.since_ms > 0 ? `, since ${timeOfDay(quote.since_ms)}` : "";
    return `Low ${price(quote.low, quote.digits)}, high ${price(quote.high, quote.digits)}${since}`;
  }
  return column_.title;
}

function spreadOf(quote) {
  return isPair(quote) ? quote.spread * 10 ** (quote.digits - 1) : quote.spread_points;
}

function spreadText(quote) {
  if (quote.spread === 0) return "–";
  return isPair(quote) ? pips(quote.spread, quote.digits) : count(quote.spread_points, 1);
}

function rangeText(quote) {
  return Number.isFinite(quote.place) ? `${Math.round(quote.place * 100)}%` : "–";
}

function column(name, head, title, width, value, text, isChange = false) {
  return { name, head, title, width, value, text, isChange };
}
