/** Alerts and their firings in words, and an alert made of the form's values. Pure. */

import { exactly, symbolOf } from "../format.js";

const UNITS = { pips: " pips", fraction: " of the price", percent: " %", s: " s" };
const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 8, maximumSignificantDigits: 10 });

/** The conditions of the form: name, label, unit of the value, and what else they need. */
export const CONDITIONS = [
  { name: "above", label: "mid at or above", unit: "price" },
  { name: "below", label: "mid at or below", unit: "price" },
  { name: "change", label: "change of mid, up or down", unit: "%", window: true },
  { name: "spread", label: "spread at or above", unit: "pips" },
  { name: "stale", label: "no tick for", unit: "seconds" },
];

const figure = (value) => (Number.isFinite(value) ? NUMBER.format(value).replace("-", "−") : "–");

/** When an alert fires. */
export function conditionText(row) {
  if (row.on === "stale") return `no tick for ${exactly(row.after_s)}`;
  const unit = row.on === "spread" ? (UNITS[row.unit] ?? "") : row.on === "change" ? " %" : "";
  const limits = ["above", "below"].filter((way) => Number.isFinite(row[way])).map((way) => `at or ${way} ${figure(row[way])}${unit}`);
  const what = { spread: "spread", change: `change of ${row.side}`, price: row.side }[row.on] ?? row.on;
  const over = row.on !== "change" ? "" : Number.isFinite(row.window_s) ? ` in ${exactly(row.window_s)}` : " since the day began";
  return `${what} ${limits.join(" or ")}${over}`;
}

/** The state of an alert: a word and a tone. */
export function stateOf(row, nowMs) {
  if (!row.enabled) return { text: "off", tone: "calm" };
  if (Number.isFinite(row.until_ms) && row.until_ms <= nowMs) return { text: "expired", tone: "calm" };
  if (!row.repeat && !row.symbol.endsWith("*") && row.firings > 0) return { text: "fired", tone: "warn" };
  return { text: "waiting", tone: "good" };
}

/** The symbol of a text, or its beginning and a star: upper case but for the prefix of a feed, as in kraken.BTCUSD. */
export function patternOf(text) {
  const [, prefix, rest] = /^([a-z][a-z0-9-]{0,15}\.)?(.*)$/s.exec(text.trim());
  return (prefix ?? "") + symbolOf(rest);
}

/** What a firing says. A feed with the role may post anything as one: values that are missing are dashes. */
export function firingText(row) {
  const symbol = typeof row.symbol === "string" ? row.symbol : "–";
  if (row.on === "stale") return `${symbol}: no tick for ${figure(row.value)} s`;
  const unit = UNITS[row.unit] ?? "";
  return `${symbol}: ${row.on} ${figure(row.value)}${unit}, at or ${row.way} ${figure(row.limit)}${unit}`;
}

/**
 * The arguments of an alert.
 *
 * @param {{name: string, symbol: string, condition: string, value: string, window: string, repeat: boolean, note: string}} form
 * @returns {{alert?: object, why?: string}} the alert, or why there is none
 */
export function alertOf(form) {
  const value = Number(form.value);
  if (!form.symbol) return { why: "Give a symbol, or its beginning and a star." };
  if (form.value.trim() === "" || !Number.isFinite(value)) return { why: `The value is “${form.value}”; give a number.` };
  const alert = { symbol: form.symbol };
  if (form.name) alert.name = form.name;
  if (form.note) alert.note = form.note;
  if (form.repeat) alert.repeat = true;
  if (form.condition === "change") Object.assign(alert, { on: "change", above: Math.abs(value), below: -Math.abs(value) });
  else if (form.condition === "spread") Object.assign(alert, { on: "spread", unit: "pips", above: value });
  else if (form.condition === "stale") Object.assign(alert, { on: "stale", after_s: value });
  else Object.assign(alert, { on: "price", [form.condition]: value });
  if (form.condition === "change" && form.window) alert.window_s = Number(form.window);
  return { alert };
}
