/** Bars: open, high, low and close of the intervals of a symbol, as the topics `bar.INTERVAL.SYMBOL` have them. Pure. */

import { isTime } from "./format.js";

export const INTERVALS = ["1s", "1m", "5m", "1h", "1d"];
const SPARK_MS = 3600_000; // of a card's line
const LEAST_SPARK_MS = 5 * 60_000;
const SPARK_BARS = 60;

/**
 * Read a row of a stream of bars: the prices are of mid, else of bid, else of ask. Its values are unchecked.
 *
 * @returns {{symbol: string, start: number, open: number, high: number, low: number, close: number, ticks: number}|null} start is in ms;
 *   null if it is no bar with a price
 */
export function barOf(row) {
  const prices = [row.mid, row.bid, row.ask].find((side) => Array.isArray(side) && side.length === 4 && side.every(Number.isFinite));
  if (!prices || typeof row.symbol !== "string" || !isTime(row.start)) return null;
  const [open, high, low, close] = prices;
  return { symbol: row.symbol, start: row.start, open, high, low, close, ticks: Number.isFinite(row.ticks) ? row.ticks : 0 };
}

/** Read a bar of the answer to `bars.read`, `[start, open, high, low, close, ticks]`, unchecked; null if it is none. */
export function barOfRow(symbol, row) {
  if (!Array.isArray(row) || row.length !== 6 || !row.every(Number.isFinite) || !isTime(row[0])) return null;
  const [start, open, high, low, close, ticks] = row;
  return { symbol, start, open, high, low, close, ticks };
}

/** The newest bars of one symbol and interval, in the order of time. */
export class BarSeries {
  /** @param {number} most bars that are kept */
  constructor(most) {
    this.most = most;
    this.bars = [];
  }

  /** Put a bar in, in place of an earlier one of its interval; returns whether it is the last one now. */
  take(bar) {
    const { bars } = this;
    let at = bars.length;
    while (at > 0 && bars[at - 1].start > bar.start) at -= 1;
    if (at > 0 && bars[at - 1].start === bar.start) bars[at - 1] = bar;
    else bars.splice(at, 0, bar);
    if (bars.length > this.most) bars.shift();
    return bars.at(-1) === bar;
  }

  /**
   * Put older bars in, in the order of time; a bar that is there is newer, and stays. Beyond `most` the newest bars are left out.
   *
   * @returns {{added: number, isCut: boolean}} how many were put in; whether newest ones were left out
   */
  merge(older) {
    const all = [];
    const present = this.bars;
    let at = 0;
    for (const bar of older) {
      while (at < present.length && present[at].start < bar.start) all.push(present[at++]);
      if (present[at]?.start !== bar.start) all.push(bar);
    }
    for (; at < present.length; at += 1) all.push(present[at]);
    const added = all.length - present.length;
    const isCut = all.length > this.most;
    if (isCut) all.length = this.most;
    this.bars = all;
    return { added, isCut };
  }

  /** The bar that begins at a time in ms. */
  at(start) {
    const { bars } = this;
    let [low, high] = [0, bars.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (bars[middle].start < start) low = middle + 1;
      else high = middle;
    }
    return bars[low]?.start === start ? bars[low] : undefined;
  }

  clear() {
    this.bars = [];
  }
}

/** The lines of the last hour: by symbol, from bars of one minute. */
export class Sparks {
  constructor() {
    this.series = new Map();
    this.newest = 0;
  }

  /** Put the rows of a stream in; returns the symbols that have changed. */
  take(rows) {
    const changed = new Set();
    for (const bar of rows.map(barOf)) {
      if (!bar) continue;
      if (!this.series.has(bar.symbol)) this.series.set(bar.symbol, new BarSeries(SPARK_BARS));
      this.series.get(bar.symbol).take(bar);
      this.newest = Math.max(this.newest, bar.start);
      changed.add(bar.symbol);
    }
    return changed;
  }

  clear() {
    this.series.clear();
    this.newest = 0;
  }

  /** The closes of a symbol in the last hour, or since its oldest bar there, with their places in that time: [0 to 1, price]; empty for less than two. */
  line(symbol) {
    const bars = (this.series.get(symbol)?.bars ?? []).filter((bar) => bar.start > this.newest - SPARK_MS);
    if (bars.length < 2) return [];
    const span = Math.max(LEAST_SPARK_MS, this.newest - bars[0].start); // a history of minutes would be a dot in an hour
    return bars.map((bar) => [1 - (this.newest - bar.start) / span, bar.close]);
  }
}
