/** Figures of the exchange in words. Pure. */

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const TWO = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** A price or an index. */
export const price = (value) => (Number.isFinite(value) ? TWO.format(value) : "–");

/** A number of shares. */
export const whole = (value) => (Number.isFinite(value) ? WHOLE.format(value) : "–");

/** An amount of rupees: 1,234,567,890 is "123.46 crore". */
export function amount(value) {
  if (!Number.isFinite(value)) return "–";
  if (value >= 1e7) return `${TWO.format(value / 1e7)} crore`;
  return value >= 1e5 ? `${TWO.format(value / 1e5)} lakh` : WHOLE.format(value);
}

/** A change with its sign and an arrow: text, and the class of its colour. */
export function change(value, unit = "") {
  if (!Number.isFinite(value)) return { text: "–", tone: "" };
  const sign = value > 0 ? "▲ +" : value < 0 ? "▼ −" : "";
  return { text: `${sign}${TWO.format(Math.abs(value))}${unit}`, tone: value > 0 ? "up" : value < 0 ? "down" : "" };
}

/** The state of the exchange: text and tone; without one, what is to be started. */
export function stateText(market, timeText) {
  if (!market) return { text: "state unknown: no feed of NEPSE runs; start one with `hulak feed --venue nepse`", tone: "warn" };
  const asOf = Number.isFinite(market.as_of) ? `, data of ${timeText(market.as_of)}` : "";
  const opening = market.state !== "open" && Number.isFinite(market.next_opening) ? `, opens ${timeText(market.next_opening)}` : "";
  return { text: `${market.state}${asOf}${opening}`, tone: market.state === "open" ? "good" : "calm" };
}

/** What is shown while no answer has come for a while. */
export const WAITING = "No answer yet. A worker of NEPSE reads this at the exchange: `hulak workers` says whether one runs, `hulak up` starts one.";

/** What is shown in place of a list that cannot be read. */
export function troubleText(error) {
  if (error.code === "TIMEOUT") return "No NEPSE worker answers. `hulak up` runs one; `hulak workers` lists them.";
  return `This cannot be read: ${error.message}`;
}

/** Advances, declines and their shares of all, in percent. */
export function shares({ advances, declines, unchanged }) {
  const all = advances + declines + unchanged;
  return [["advances", advances, "up"], ["unchanged", unchanged, ""], ["declines", declines, "down"]].map(([name, number, tone]) => ({
    name, number, tone, share: all ? (100 * number) / all : 0,
  }));
}
