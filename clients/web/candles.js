/** The candles of a symbol: a chart of the topic `bar.INTERVAL.SYMBOL`, from the journal and live. The chart library is loaded at the first use. */

import { BarSeries, barOf } from "./bars.js";
import { setText } from "./dom.js";
import { count, price, timeOfDay } from "./format.js";

const LIBRARY = "./vendor/lightweight-charts.mjs";
const FIRST = 2000; // messages that are read at first
const FURTHER = 4; // times as many, when the beginning of the chart comes into view
const MOST = 100_000;
const NEAR = 10; // bars from the beginning
const STEP = 10; // bars of an arrow key
const DAY_MS = 86_400_000;

/** One chart. */
export class Candles {
  /**
   * @param {HTMLElement} host
   * @param {HTMLElement} legend shows the figures of a bar
   * @param {function(object, object): function()} read begins a stream, as `Streams.read`
   */
  constructor(host, legend, read) {
    Object.assign(this, { host, legend, read, palette: null, chart: null, stop: null, shown: null });
    this.series = new BarSeries(MOST);
    host.addEventListener("keydown", (event) => this._key(event));
  }

  /** Show a symbol with this number of decimals. */
  async open(symbol, digits, interval) {
    this.close();
    const shown = { symbol, digits, interval, last: FIRST, isLive: false, received: 0 };
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
    this.chart.subscribeCrosshairMove(({ time }) => this._describe(this.series.bars.find((bar) => bar.start === time * 1000)));
    this.chart.timeScale().subscribeVisibleLogicalRangeChange((range) => this._further(range));
  }

  _read() {
    const { symbol, interval, last } = this.shown;
    this.stop?.();
    this.stop = this.read({ topic: `bar.${interval}.${symbol}`, last }, {
      began: () => this._began(),
      rows: (rows, live) => this._take(rows, live),
      failed: (text) => setText(this.legend, text),
    });
  }

  _began() {
    this.series.clear();
    [this.shown.isLive, this.shown.received] = [false, 0];
  }

  _take(rows, live) {
    const { shown, series } = this;
    const before = shown.isLive;
    shown.isLive ||= live;
    shown.received += before ? 0 : rows.length;
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
  }

  /** Read more of the past when its beginning comes into view, as long as there is more. */
  _further(range) {
    const { shown } = this;
    if (!range || !shown.isLive || range.from > NEAR || shown.received < shown.last || shown.last >= MOST) return;
    shown.last = Math.min(MOST, shown.last * FURTHER);
    this._read();
  }

  /** Show the figures of a bar; of the last one if none is pointed at. */
  _describe(bar = this.series.bars.at(-1)) {
    const { digits, interval, symbol } = this.shown;
    if (!bar) {
      setText(this.legend, `There are no bars of ${interval} of ${symbol}: no tick since, or the topics bar.${interval} are not made ([derive] in the settings).`);
      return;
    }
    const at = new Date(bar.start).toISOString().slice(0, 10);
    const time = bar.start % DAY_MS || interval !== "1d" ? ` ${timeOfDay(bar.start)}` : "";
    const figures = [["open", bar.open], ["high", bar.high], ["low", bar.low], ["close", bar.close]].map(([name, value]) => `${name} ${price(value, digits)}`);
    setText(this.legend, [at + time, ...figures, `${count(bar.ticks)} ticks`].join(" · "));
  }

  /** Arrow keys move the chart, + and - zoom. */
  _key(event) {
    const scale = this.chart?.timeScale();
    const range = scale?.getVisibleLogicalRange();
    if (!range || event.altKey || event.ctrlKey || event.metaKey) return;
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

