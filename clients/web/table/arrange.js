/** Which quotes the table shows, and in which order. Pure. */

import { BY_NAME, GROUPS } from "./columns.js";

const CONDITION = /^([a-z%]+)(>=|<=|>|<|=)(-?[0-9]+(?:\.[0-9]+)?)%?$/;
const ALIASES = { "%": "change", price: "last" };
const TESTS = { ">": (one, other) => one > other, "<": (one, other) => one < other, ">=": (one, other) => one >= other, "<=": (one, other) => one <= other, "=": (one, other) => one === other };

/**
 * Read a filter: words, which must be in the symbol or the venue, and conditions such as `%>1`, `spread<2`, `volume>=10000`.
 *
 * @returns {{test: function(object, number): boolean, error: string}} `error` says which word is no filter; it is then left out
 */
export function readFilter(text) {
  const tests = [];
  let error = "";
  for (const word of text.trim().split(/\s+/).filter(Boolean)) {
    if (!/[<>=]/.test(word)) {
      const wanted = word.toUpperCase();
      tests.push((quote) => quote.symbol.includes(wanted) || quote.symbol.includes(wanted.replaceAll("/", "")) || String(quote.source).toUpperCase().includes(wanted));
      continue;
    }
    const [, name, sign, number] = CONDITION.exec(word.toLowerCase()) ?? [];
    const column = BY_NAME.get(ALIASES[name] ?? name);
    if (!column || column.name === "symbol" || column.name === "venue") {
      error = `${word} is no condition; use a column, a sign and a number, such as %>1, spread<2 or age>10`;
      continue;
    }
    const [test, limit] = [TESTS[sign], Number(number)];
    tests.push((quote, now) => test(column.value(quote, now), limit));
  }
  return { test: (quote, now) => tests.every((each) => each(quote, now)), error };
}

/**
 * Arrange quotes into the items of the table: rows, and a head before each group.
 *
 * @param {Iterable<object>} quotes
 * @param {{filter: function(object, number): boolean, sort: string, descending: boolean, group: string, pinned: Set<string>}} wanted
 * @param {number} now ms
 * @returns {({symbol: string, pinned: boolean}|{group: string, count: number})[]} pinned symbols come first, whatever the filter is
 */
export function arrangeQuotes(quotes, { filter, sort, descending, group, pinned }, now) {
  const column = BY_NAME.get(sort) ?? BY_NAME.get("symbol");
  const [, groupOf] = GROUPS[group] ?? GROUPS.none;
  const keyed = [];
  for (const quote of quotes) {
    const isPinned = pinned.has(quote.symbol);
    if (isPinned || filter(quote, now)) keyed.push({ symbol: quote.symbol, pinned: isPinned, group: isPinned ? "" : groupOf(quote), value: column.value(quote, now) });
  }
  const sign = descending ? -1 : 1;
  keyed.sort((one, other) => other.pinned - one.pinned || compareText(one.group, other.group) || compare(one.value, other.value, sign) || compareText(one.symbol, other.symbol));
  const items = [];
  const counts = new Map();
  for (const each of keyed) counts.set(each.group, (counts.get(each.group) ?? 0) + 1);
  let last = "";
  for (const each of keyed) {
    if (each.group !== last && each.group) items.push({ group: each.group, count: counts.get(each.group) });
    last = each.group;
    items.push({ symbol: each.symbol, pinned: each.pinned });
  }
  return items;
}

/** In the wanted direction; a quote without the figure is last in both. */
function compare(one, other, sign) {
  const [missing, missingOther] = [Number.isNaN(one), Number.isNaN(other)];
  if (missing || missingOther) return missing - missingOther;
  return typeof one === "string" ? sign * compareText(one, other) : sign * (one - other);
}

function compareText(one, other) {
  return one < other ? -1 : one > other ? 1 : 0;
}
