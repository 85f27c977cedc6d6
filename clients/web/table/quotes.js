/** The quotes of all symbols: the rows of the gateway's frames (PROTOCOL.md section 12.8), and the figures made of them. Pure. */

const FIELDS = [
  "symbol", "source", "digits", "bid", "ask", "price", "open", "high", "low", "previous_close", "volume", "ticks", "volatility", "timestamp", "received_ms", "since_ms",
];
const FLASH_MS = 350;

/** Keeps the newest quote of each symbol. */
export class QuoteStore {
  constructor() {
    this.quotes = new Map(); // symbol -> quote
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
    }
    const added = this.quotes.size !== this.count;
    this.count = this.quotes.size;
    return added;
  }

  clear() {
    this.quotes.clear();
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
