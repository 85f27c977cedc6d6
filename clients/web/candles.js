/**
 * The candles of a symbol: a chart of the topic `bar.INTERVAL.SYMBOL`, live, and back to the beginning of the journal: older bars are read when
 * the chart's beginning comes into view. The chart library is loaded at the first use.
 */

import { BarSeries, barOf, barOfRow } from "./bars.js";
import { setText } from "./dom.js";
import { count, price, timeOfDay } from "./format.js";

const LIBRARY = "./vendor/lightweight-charts.mjs";
const FIRST = 2000; // messages that are read at first
const MOST = 300_000; // bars of a chart: with more, its newest ones are left out
const NEAR = 10; // bars from the beginning
const STEP = 10; // bars of an arrow key
const DAY_MS = 86_400_000;

/** One chart. */
export class Candles {
  /**
   * @param {HTMLElement} host
   * @param {HTMLElement} legend shows the figures of a bar
   * @param {{read: function(object, object): function(), request: function(string, object): Promise}} tools `read` begins a stream, as `Streams.read`
   */
  constructor(host, legend, { read, request }) {
    Object.assign(this, { host, legend, read, request, palette: null, chart: null, stop: null, shown: null });
    this.series = new BarSeries(MOST);
    host.addEventListener("keydown", (event) => this._key(event));
  }

  /** Show a symbol with this number of decimals. */
  async open(symbol, digits, interval) {
    this.close();
    const shown = { symbol, digits, interval, isLive: false, isCut: false, isReading: false, before: null };
    this.shown = shown;
    setText(this.legend, "Reading the bars.");
    const library = await import(LIBRARY);
    if (this.shown !== shown) return; // closed, or another one is wanted
    this._make(library, shown);
    this._read();
  }

  close() {
    this.stop?.();
    this.chart?.remove();
    [this.stop, this.chart, this.shown] = [null, null, null];
    this.host.replaceChildren();
  }

  /** Use these colours. */
  recolour(palette) {
    this.palette = palette;
    if (!this.chart) return;
    this.chart.applyOptions(chartColours(palette));
    this.candles.applyOptions(candleColours(palette));
  }

  _make({ createChart, CandlestickSeries }, { digits, interval }) {
    this.chart = createChart(this.host, { autoSize: true, ...chartColours(this.palette) });
    this.chart.timeScale().applyOptions({ timeVisible: interval !== "1d", secondsVisible: interval === "1s", rightOffset: 3 });
    const priceFormat = { type: "price", precision: digits, minMove: 10 ** -digits };
    this.candles = this.chart.addSeries(CandlestickSeries, { priceFormat, ...candleColours(this.palette) });
    this.chart.subscribeCrosshairMove(({ time }) => this._describe(this.series.at(time * 1000)));
    this.chart.timeScale().subscribeVisibleLogicalRangeChange((range) => this._further(range));
  }

  _read() {
    const { symbol, interval } = this.shown;
    this.stop = this.read({ topic: `bar.${interval}.${symbol}`, last: FIRST }, {
      began: () => this._began(),
      rows: (rows, live) => this._take(rows, live),
      failed: (text) => setText(this.legend, text),
    });
  }

  _began() {
    this.series.clear();
    Object.assign(this.shown, { isLive: false, isCut: false, before: null, began: (this.shown.began ?? 0) + 1 });
  }

  _take(rows, live) {
    const { shown, series } = this;
    const before = shown.isLive;
    shown.isLive ||= live;
    if (!before) shown.before ??= Number.isInteger(rows[0]?.sequence) ? rows[0].sequence : null;
    if (shown.isCut) return; // the chart ends earlier
    let inOrder = before;
    for (const bar of rows.map(barOf)) {
      if (!bar) continue;
      const isLast = series.take(bar);
      if (before && isLast) this.candles.update(pointOf(bar));
      inOrder &&= isLast;
    }
    if (!shown.isLive) return;
    if (!inOrder) this.candles.setData(series.bars.map(pointOf)); // the journal has been read, or a bar was corrected
    this._describe();
    if (!before) this._further(this.chart.timeScale().getVisibleLogicalRange());
  }

  /** Read more of the past when its beginning comes into view, as long as there is more. */
  _further(range) {
    const { shown } = this;
    if (!range || range.from > NEAR || !shown?.isLive || shown.isReading || shown.before === null) return;
    this._older();
  }

  async _older() {
    const { shown } = this;
    const { symbol, interval, began } = shown;
    shown.isReading = true;
    try {
      const { bars, before } = await this.request("bars.read", { symbol, interval, before: shown.before });
      if (this.shown !== shown || shown.began !== began) return; // closed, or the stream has begun again
      shown.before = Number.isInteger(before) && before < shown.before ? before : null;
      this._put(bars.map((row) => barOfRow(symbol, row)).filter(Boolean));
    } catch (error) {
      if (this.shown !== shown || shown.began !== began) return;
      shown.before = null;
      setText(this.legend, `Older bars cannot be read: ${error.message}`);
    } finally {
      shown.isReading = false;
    }
    this._further(this.chart.timeScale().getVisibleLogicalRange()); // still in view, or the page had bars of one interval only
  }

  /** Show the newest bars; read them again if the chart ends earlier. */
  _newest() {
    if (this.shown.isCut) {
      this.stop();
      this._read();
    }
    this.chart.timeScale().scrollToRealTime();
  }

  /** Put older bars into the chart; the view stays where it is. */
  _put(older) {
    const scale = this.chart.timeScale();
    const { added, isCut } = this.series.merge(older);
    if (!added) return;
    this.shown.isCut ||= isCut;
    const view = isCut ? scale.getVisibleRange() : null; // the library keeps the distance from the last bar
    this.candles.setData(this.series.bars.map(pointOf));
    if (view) scale.setVisibleRange(view);
    this._describe();
  }

  /** Show the figures of a bar; of the last one if none is pointed at. */
  _describe(bar = this.series.bars.at(-1)) {
    const { digits, interval, symbol, isCut } = this.shown;
    if (!bar) {
      setText(this.legend, `There are no bars of ${interval} of ${symbol}: no tick since, or the topics bar.${interval} are not made ([derive] in the settings).`);
      return;
    }
    const at = new Date(bar.start).toISOString().slice(0, 10);
    const time = bar.start % DAY_MS || interval !== "1d" ? ` ${timeOfDay(bar.start)}` : "";
    const figures = [["open", bar.open], ["high", bar.high], ["low", bar.low], ["close", bar.close]].map(([name, value]) => `${name} ${price(value, digits)}`);
    const cut = isCut ? [`newer bars are left out: End, or ${interval} again, shows them`] : [];
    setText(this.legend, [at + time, ...figures, `${count(bar.ticks)} ticks`, ...cut].join(" · "));
  }

  /** Arrow keys move the chart, + and - zoom, Home and End show the oldest and the newest bars. */
  _key(event) {
    const scale = this.chart?.timeScale();
    const range = scale?.getVisibleLogicalRange();
    if (!range || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Home" || event.key === "End") {
      event.preventDefault();
      if (event.key === "Home") scale.setVisibleLogicalRange({ from: 0, to: range.to - range.from });
      else this._newest();
      return;
    }
    const [move, zoom] = [{ ArrowLeft: -STEP, ArrowRight: STEP }[event.key] ?? 0, { "+": -0.2, "-": 0.25 }[event.key] ?? 0];
    if (!move && !zoom) return;
    event.preventDefault();
    const more = (range.to - range.from) * zoom;
    scale.setVisibleLogicalRange({ from: range.from + move - more, to: range.to + move });
  }
}

function pointOf({ start, open, high, low, close }) {
  return { time: start / 1000, open, high, low, close };
}

function chartColours(palette) {
  const lines = { color: palette.line };
  return {
    layout: { background: { color: palette.surface }, textColor: palette.dim, fontFamily: palette.sans, attributionLogo: false },
    grid: { vertLines: lines, horzLines: lines }, rightPriceScale: { borderColor: palette.line }, timeScale: { borderColor: palette.line },
  };
}

function candleColours({ up, down }) {
  return { upColor: up, borderUpColor: up, wickUpColor: up, downColor: down, borderDownColor: down, wickDownColor: down };
}

