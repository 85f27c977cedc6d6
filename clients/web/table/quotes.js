/** The quotes of all symbols: the rows of the gateway's frames (PROTOCOL.md section 12.8), and the figures made of them. Pure. */

const FIELDS = [
  "symbol", "source", "digits", "bid", "ask", "price", "open", "high", "low", "previous_close", "volume", "ticks", "volatility", "timestamp", "received_ms", "since_ms",
];
const FLASH_MS = 350;
const SAMPLE_MS = 60_000; // between two points of a line
const POINTS = 60;

/** Keeps the newest quote of each symbol. */
export class QuoteStore {
  constructor() {
    this.quotes = new Map(); // symbol -> quote
    this.lines = new Map(); // symbol -> [minute, last price] of the minutes in which it ticked, oldest first
    this.count = 0; // of symbols, at the last change of their set
  }

  /**
   * Take the rows of a frame.
   *
   * @param {Array[]} rows values in the order of `FIELDS`; unchecked: a row without a symbol is left out
   * @param {number} sentMs the gateway's clock
   * @param {number} now the page's clock
   * @returns {boolean} whether a symbol is new
   */
  take(rows, sentMs, now) {
    for (const row of rows) {
      if (!Array.isArray(row) || typeof row[0] !== "string") continue;
      const quote = Object.fromEntries(FIELDS.map((name, at) => [name, row[at] ?? NaN]));
      const before = this.quotes.get(quote.symbol);
      quote.change = percent(quote.price, quote.open);
      quote.previous_change = percent(quote.price, quote.previous_close);
      quote.spread = quote.ask - quote.bid;
      quote.spread_points = (quote.spread / quote.price) * 10000;
      quote.place = quote.high > quote.low ? (quote.price - quote.low) / (quote.high - quote.low) : NaN;
      quote.range = percent(quote.high, quote.low);
      quote.arrived = now;
      quote.agedMs = quote.received_ms > 0 ? Math.max(0, sentMs - quote.received_ms) : Math.max(0, sentMs - quote.timestamp);
      quote.measured = before !== undefined && quote.received_ms > before.received_ms;
      quote.painted = false;
      const moved = before && Number.isFinite(before.price) ? Math.sign(quote.price - before.price) : 0;
      [quote.moved, quote.movedAt] = moved ? [moved, now] : [before?.moved ?? 0, before?.movedAt ?? -Infinity];
      this.quotes.set(quote.symbol, quote);
      this._sample(quote, Math.floor(sentMs / SAMPLE_MS));
    }
    const added = this.quotes.size !== this.count;
    this.count = this.quotes.size;
    return added;
  }

  _sample({ symbol, price }, minute) {
    if (!Number.isFinite(price)) return;
    if (!this.lines.has(symbol)) this.lines.set(symbol, []);
    const line = this.lines.get(symbol);
    if (line.at(-1)?.[0] === minute) line.at(-1)[1] = price;
    else line.push([minute, price]);
    if (line.length > POINTS) line.shift();
  }

  /** The last prices of the minutes of the last hour that the table has seen, with their places in that time: [0 to 1, price]; empty for less than two. */
  line(symbol) {
    const line = this.lines.get(symbol) ?? [];
    if (line.length < 2) return [];
    const [first, span] = [line[0][0], line.at(-1)[0] - line[0][0]];
    return line.map(([minute, price]) => [(minute - first) / span, price]);
  }

  clear() {
    this.quotes.clear();
    this.lines.clear();
    this.count = 0;
  }
}

/** The direction of a move that is still marked: 1, -1, or 0. */
export function flashOf(quote, now) {
  return now - quote.movedAt < FLASH_MS ? quote.moved : 0;
}

/** The age of a quote in seconds. */
export function ageOf(quote, now) {
  return (quote.agedMs + Math.max(0, now - quote.arrived)) / 1000;
}

function percent(value, base) {
  return base > 0 && Number.isFinite(value) ? (value / base - 1) * 100 : NaN;
}
