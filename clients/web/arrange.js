/** Which displays are shown, in which order and groups. Pure. */

import { adrUsed } from "./format.js";
import { changeOf } from "./paint_spark.js";

export const ORDERS = { // name -> text, and the figure by which displays are sorted, the largest first
  symbol: ["symbol", null],
  change: ["change", (state) => changeOf(state)],
  move: ["change either way", (state) => Math.abs(changeOf(state))],
  range: ["range used", (state) => adrUsed(state)],
  volatility: ["volatility", (state) => state.volatility],
  spread: ["spread", (state) => state.spread / state.price],
  rate: ["ticks/s", (state) => state.ticks_per_s],
};
const CURRENCIES = "AUD CAD CHF CNH CZK DKK EUR GBP HKD HUF JPY MXN NOK NZD PLN SEK SGD TRY USD ZAR"; // as in bus/wire/price_digits.py
const METALS = "XAG XAU XPD XPT";
const PAIR = new RegExp(`(?:^|\\.)(?:(${CURRENCIES.replaceAll(" ", "|")})|${METALS.replaceAll(" ", "|")})(?:${CURRENCIES.replaceAll(" ", "|")})$`);
export const GROUPS = { // name -> text, and the name of a display's group
  none: ["none", () => ""],
  market: ["market", (state) => marketOf(state)],
  source: ["venue", (state) => state.source ?? "any venue"],
  currency: ["currency", (state) => (/(?:^|\.)[A-Z]{6}$/.test(state.symbol) ? state.symbol.slice(-3) : "other")],
};

/**
 * Arrange displays.
 *
 * @param {Iterable<{id: string, state: object}>} displays
 * @param {{text: string, order: string, group: string}} wanted every word of `text` must be in the symbol, the id or the source
 * @returns {{name: string, ids: string[]}[]} groups by name; a single one without a name if there are none
 */
export function arrange(displays, { text, order, group }) {
  const words = text.toUpperCase().split(/\s+/).filter(Boolean);
  const shown = [...displays].filter(({ id, state }) => {
    const all = `${state.symbol} ${id} ${state.source ?? ""}`.toUpperCase();
    return words.every((word) => all.includes(word) || all.includes(word.replaceAll("/", "")));
  });
  const [, figure] = ORDERS[order] ?? ORDERS.symbol;
  const values = new Map(shown.map((display) => [display, figure ? figure(display.state) : NaN]));
  shown.sort((one, other) => compare(values.get(one), values.get(other)) || byName(one, other));
  const [, nameOfGroup] = GROUPS[group] ?? GROUPS.none;
  const groups = new Map();
  for (const display of shown) {
    const name = nameOfGroup(display.state);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(display.id);
  }
  return [...groups].sort(([one], [other]) => (one < other ? -1 : 1)).map(([name, ids]) => ({ name, ids }));
}

/** The market of a symbol: currencies and metals of all venues are one market each, all else is of its venue. */
export function marketOf({ symbol, source }) {
  const pair = PAIR.exec(symbol);
  if (pair) return pair[1] ? "currencies" : "metals";
  return String(source || "any venue");
}

/** The larger one first; those without a figure last. */
function compare(one, other) {
  const [has, hasOther] = [Number.isFinite(one), Number.isFinite(other)];
  if (has && hasOther) return other - one;
  return has ? -1 : hasOther ? 1 : 0;
}

function byName(one, other) {
  const name = ({ id, state }) => `${state.symbol} ${id}`;
  return name(one) < name(other) ? -1 : 1;
}
