/** Numbers and times as text. Pure. */

const PER_DOUBLING = 32; // buckets of a histogram; bucket i ends at 2 ** (i / 32) s
const LEAST_US = 1; // all that is shorter counts as this

/**
 * Split a price into big figure, pips and pipette; joined they are the price with all its decimals.
 *
 * From 100,000 the pips are the two integer digits before the last one, from 1,000 the last two integer digits; the rest is the pipette.
 * Below that, with five or three decimals the pipette is the last one, after two of the pips; else the pips are the last two.
 *
 * @param {number} price
 * @param {number} digits decimals of the symbol
 * @param {boolean} [hasPips] false for a market without pips: the decimals are in the place of the pips
 * @returns {{big: string, pips: string, pipette: string}}
 */
export function splitPrice(price, digits, hasPips = true) {
  if (!Number.isFinite(price)) return { big: "", pips: "–", pipette: "" };
  if (!hasPips) {
    const cut = price.toFixed(digits).length - digits;
    return { big: price.toFixed(digits).slice(0, cut), pips: price.toFixed(digits).slice(cut), pipette: "" };
  }
  const text = price.toFixed(digits);
  const [whole, decimals = ""] = text.split(".");
  if (Math.abs(price) >= 1000) {
    const end = whole.length - (Math.abs(price) >= 100000 ? 1 : 0);
    return { big: text.slice(0, end - 2), pips: text.slice(end - 2, end), pipette: text.slice(end) };
  }
  if (!decimals) return { big: "", pips: whole, pipette: "" };
  const pipette = digits === 3 || digits === 5 ? 1 : 0;
  const cut = text.length - pipette;
  const from = Math.max(whole.length + 1, cut - 2);
  return { big: text.slice(0, from), pips: text.slice(from, cut), pipette: text.slice(cut) };
}

/** The symbol of a text: `EUR/USD` is EURUSD; between digits the slash is part of a name, `NICAD85/86` is NICAD85-86. */
export function symbolOf(text) {
  return text.trim().toUpperCase().replace(/(\d)\/(?=\d)/g, "$1-").replaceAll("/", "");
}

/** Format a price with all its decimals; a dash for none. */
export function price(value, digits) {
  return Number.isFinite(value) ? value.toFixed(digits) : "–";
}

const FORMATS = Array.from({ length: 4 }, (_, decimals) => formatOf(decimals)); // making one takes longer than a hundred uses

function formatOf(decimals) {
  return new Intl.NumberFormat("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/** Format a number with these decimals and thousands separators. */
export function count(value, decimals = 0) {
  return Number.isFinite(value) ? (FORMATS[decimals] ?? formatOf(decimals)).format(value) : "–";
}

/** Format a spread in pips. */
export function pips(spread, digits) {
  return Number.isFinite(spread) ? count(spread * 10 ** (digits - 1), 1) : "–";
}

/** Whether a symbol's moves are counted in pips: not where the venue has a tick size. */
export function hasPips(state) {
  return !Number.isFinite(state.tick_size);
}

/** Format the spread of a state: in pips, or as a price; "last" where bid and ask are the last price. */
export function spreadText(state) {
  if (hasPips(state)) return `${pips(state.spread, state.digits)} pips`;
  return state.spread === 0 ? "last" : price(state.spread, state.digits);
}

/** Format a measured duration in seconds: `0.4 s`, `12 s`, `3 min`, `2.5 h`, `4.0 d`; `clients/durations.py` has the same. */
export function age(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const passed = Math.max(0, seconds);
  if (passed < 9.95) return `${passed.toFixed(1)} s`;
  if (passed < 99.5) return `${Math.round(passed)} s`;
  if (passed < 5970) return `${Math.round(passed / 60)} min`;
  const [size, unit] = passed < 171000 ? [3600, "h"] : [86400, "d"];
  return `${passed / size < 9.95 ? (passed / size).toFixed(1) : count(passed / size)} ${unit}`;
}

/** Format a duration that was set, with the largest unit that has it whole: `90 s`, `5 min`, `2 h`, `1 d`. */
export function exactly(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const [size, unit] = [[86400, "d"], [3600, "h"], [60, "min"]].find(([whole]) => seconds && seconds % whole === 0) ?? [1, "s"];
  return `${seconds / size} ${unit}`;
}

/** Format a number of bytes. */
export function bytes(value) {
  if (!Number.isFinite(value)) return "–";
  if (value < 1e6) return `${(value / 1e3).toFixed(0)} kB`;
  if (value < 1e9) return `${(value / 1e6).toFixed(0)} MB`;
  return `${(value / 1e9).toFixed(2)} GB`;
}

/** Format milliseconds with at most three figures. */
export function millis(value) {
  if (!Number.isFinite(value)) return "–";
  return `${Math.abs(value) < 9.95 ? value.toFixed(1) : Math.round(value)} ms`;
}

/** Format a duration in microseconds: `120 µs`, `2.1 ms`, `12 s`. */
export function span(us) {
  if (!Number.isFinite(us)) return "–";
  if (us < 999.5) return `${Math.round(us)} µs`;
  return us < 1e6 ? millis(us / 1000) : age(us / 1e6);
}

/**
 * A quantile of a histogram of times, within 1.1 %: the middle of its bucket, as the broker's own quantiles are.
 *
 * @param {{count: number, native: number[]}} totals `native` has for each bucket with values, in ascending order, the step from the
 *   index of the one before (from 0) and the number of values (PROTOCOL.md section 7.2)
 * @param {number} share from 0 to 1
 * @returns {number} microseconds; NaN without a value, and of a broker that sends no buckets
 */
export function quantile(totals, share) {
  if (!(totals?.count > 0) || !Array.isArray(totals.native)) return NaN;
  const { count: all, native } = totals;
  let [bucket, seen] = [0, 0];
  for (let at = 0; at + 1 < native.length && (at === 0 || seen < share * all); at += 2) {
    bucket += native[at];
    seen += native[at + 1];
  }
  return Math.max(LEAST_US, 1e6 * 2 ** ((bucket - 0.5) / PER_DOUBLING));
}

/** Whether a number is a time that a date can hold: a program may post any number as one. */
export const isTime = (ms) => Number.isFinite(ms) && Math.abs(ms) <= 8.64e15;

/** Format the time of day in UTC of a time in ms since 1970 UTC. */
export function timeOfDay(ms) {
  return isTime(ms) ? `${new Date(ms).toISOString().slice(11, 19)} UTC` : "–";
}

/** Format a time in ms since 1970 UTC with its day of the week: `Mon 30 Nov, 05:15 UTC`. */
export function dayAndTime(ms) {
  if (!isTime(ms)) return "–";
  const text = new Date(ms).toUTCString(); // Mon, 30 Nov 2026 05:15:00 GMT
  return `${text.slice(0, 3)} ${text.slice(5, 11)}, ${text.slice(17, 22)} UTC`;
}

/** The shape of a direction, in addition to its colour. */
export function arrow(direction) {
  if (direction === "up") return "▲";
  return direction === "down" ? "▼" : "◆";
}

/** The text alternative of a display's picture. */
export function spoken(name, state, mark) {
  if (!state?.ready) return `${name}, waiting for its first tick${mark ? `, ${mark}` : ""}`;
  const show = (value) => price(value, state.digits);
  const parts = [`${name} ${show(state.price)}`, state.direction];
  parts.push(`day ${show(state.low)} to ${show(state.high)}`, `volatility ${count(state.volatility, 2)}`);
  const used = adrUsed(state);
  if (Number.isFinite(used)) parts.push(`${Math.round(used * 100)} percent of the average range`);
  if (Number.isFinite(state.poc)) parts.push(`point of control ${show(state.poc)}`);
  if (mark) parts.push(mark);
  return parts.join(", ");
}

/** The share of the average daily range that today has used; NaN without a range, or if it is only that of the day. */
export function adrUsed(state) {
  const range = state.adr_high - state.adr_low;
  return range > 0 && state.adr_source !== "day" ? (state.high - state.low) / range : NaN;
}
