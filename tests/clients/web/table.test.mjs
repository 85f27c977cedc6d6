import assert from "node:assert/strict";
import { test } from "node:test";
import { arrangeQuotes, readFilter } from "../../../clients/web/table/arrange.js";
import { documentOf, faultOfName, Layouts, readDocument } from "../../../clients/web/layouts/own.js";
import { BY_NAME, titleOf } from "../../../clients/web/table/columns.js";
import { DEFAULT, FORM } from "../../../clients/web/table/form.js";
import { ageOf, flashOf, QuoteStore } from "../../../clients/web/table/quotes.js";
import { figuresOf } from "../../../clients/web/table/symbol.js";

const NOON = 1_728_043_200_000;

/** A row as the gateway sends it. */
const row = (symbol, price, more = {}) => {
  const quote = { source: "test", digits: 5, bid: price - 0.0001, ask: price + 0.0001, open: 1, high: 2, low: 1, previous_close: 2, volume: null, ticks: 3, volatility: null, timestamp: NOON, received_ms: NOON, since_ms: 0, ...more };
  return [symbol, quote.source, quote.digits, quote.bid, quote.ask, price, quote.open, quote.high, quote.low, quote.previous_close, quote.volume, quote.ticks, quote.volatility, quote.timestamp, quote.received_ms, quote.since_ms];
};

function storeOf(...rows) {
  const store = new QuoteStore();
  store.take(rows, NOON + 40, 1000);
  return store;
}

const symbols = (items) => items.map((item) => item.symbol ?? `[${item.group} ${item.count}]`);
const arranged = (store, more) => symbols(arrangeQuotes(store.quotes.values(), { filter: () => true, sort: "symbol", descending: false, group: "none", pinned: new Set(), ...more }, 1000));

test("a row becomes a quote with its changes, its place in the range and its age", () => {
  const store = storeOf(row("EURUSD", 1.5));
  const quote = store.quotes.get("EURUSD");
  assert.deepEqual([quote.change, quote.previous_change, quote.place, quote.range], [50, -25, 0.5, 100]);
  assert.equal(ageOf(quote, 3000), 2.04);
  assert.equal(BY_NAME.get("spread").text(quote), "2.0");
  assert.equal(BY_NAME.get("volume").text(quote), "–");
  assert.equal(BY_NAME.get("last").text(quote), "1.50000");
});

test("rows that are none are left out, and only a new tick measures a latency", () => {
  const store = new QuoteStore();
  assert.equal(store.take([null, 5, [], [7], row("A", 1)], NOON, 0), true);
  assert.deepEqual([...store.quotes.keys()], ["A"]);
  assert.equal(store.quotes.get("A").measured, false);
  assert.equal(store.take([row("A", 1.1, { received_ms: NOON + 5 })], NOON + 9, 10), false);
  const quote = store.quotes.get("A");
  assert.deepEqual([quote.measured, flashOf(quote, 20), flashOf(quote, 500)], [true, 1, 0]);
});

test("figures that are missing show a dash, and are last in every order", () => {
  const store = storeOf(row("A", 1.2), row("B", 1.5), row("C", null, { open: null }));
  assert.equal(BY_NAME.get("change").text(store.quotes.get("C")), "–");
  assert.deepEqual(arranged(store, { sort: "change" }), ["A", "B", "C"]);
  assert.deepEqual(arranged(store, { sort: "change", descending: true }), ["B", "A", "C"]);
});

test("pinned symbols are first whatever the filter is, groups have heads with counts", () => {
  const store = storeOf(row("EURUSD", 1), row("GBPJPY", 1), row("USDJPY", 1), row("NABIL", 1, { source: "nepse" }));
  assert.deepEqual(arranged(store, { group: "currency", pinned: new Set(["USDJPY"]) }), ["USDJPY", "[JPY 1]", "GBPJPY", "[USD 1]", "EURUSD", "[other 1]", "NABIL"]);
  assert.deepEqual(arranged(store, { filter: readFilter("nabil").test, pinned: new Set(["EURUSD"]) }), ["EURUSD", "NABIL"]);
  assert.deepEqual(arranged(store, { group: "venue" }), ["[nepse 1]", "NABIL", "[test 3]", "EURUSD", "GBPJPY", "USDJPY"]);
});

test("a filter has words and conditions; a word that is none is named and left out", () => {
  const store = storeOf(row("EURUSD", 1.5), row("EURJPY", 1.01, { digits: 3 }), row("NABIL", 1.2, { source: "nepse", volume: 100 }));
  const shown = (text) => arranged(store, { filter: readFilter(text).test });
  assert.deepEqual(shown("eur %>10"), ["EURUSD"]);
  assert.deepEqual(shown("eur/usd"), ["EURUSD"]);
  assert.deepEqual(shown("volume>=100"), ["NABIL"]);
  assert.deepEqual(shown("change<=20 price>1.1"), ["NABIL"]);
  assert.deepEqual(shown("nepse"), ["NABIL"]);
  assert.match(readFilter("nosuch>1").error, /^nosuch>1 is no condition/);
  assert.match(readFilter("spread>").error, /^spread> is no condition/);
  assert.deepEqual(shown("nosuch>1 nabil"), ["NABIL"]);
  assert.equal(readFilter("").error, "");
});

test("a tooltip says since when a change is counted if the open is not known", () => {
  const quote = storeOf(row("A", 1.5, { since_ms: NOON })).quotes.get("A");
  assert.match(titleOf(BY_NAME.get("change"), quote), /^Change since 12:00:00 UTC/);
  assert.match(titleOf(BY_NAME.get("range"), quote), /^Low 1.00000, high 2.00000, since 12/);
});

test("unknown parts of a layout are left out", () => {
  assert.deepEqual(FORM.checked({}), { ...DEFAULT });
  assert.deepEqual(FORM.checked({ columns: ["bid", "nosuch", "bid"], sort: "toString", descending: 1, group: "constructor", filter: 5, pinned: ["A", 7] }), { ...DEFAULT, columns: ["symbol", "bid"], pinned: ["A"] });
});

test("layouts are kept by name in the storage, and without one until the page is closed", () => {
  const kept = new Map();
  const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
  const layouts = new Layouts(storage, FORM);
  layouts.change({ sort: "change", descending: true, pinned: ["EURUSD"] });
  assert.equal(layouts.save("movers"), "");
  layouts.change({ sort: "symbol" });
  const again = new Layouts(storage, FORM);
  assert.equal(again.shown.sort, "symbol");
  again.load("movers");
  assert.deepEqual([again.shown.sort, again.shown.descending, again.shown.pinned], ["change", true, ["EURUSD"]]);
  again.remove("movers");
  assert.equal(new Layouts(storage, FORM).named.size, 0);
  assert.match(again.save(""), /1 to 60/);
  const broken = new Layouts({ getItem: () => "{[", setItem: () => { throw new Error("full"); } }, FORM);
  assert.equal(broken.save("x"), "");
  assert.equal(new Layouts(null, FORM).shown.sort, "symbol");
});

test("odd contents of the storage give the default layout", () => {
  for (const text of ["null", "[]", "7", '{"shown":null,"named":null,"taken":7}', '{"named":{"a":null},"taken":{"name":"x","version":"1"}}']) {
    const layouts = new Layouts({ getItem: () => text, setItem: () => {} }, FORM);
    assert.deepEqual([layouts.shown, layouts.taken], [{ ...DEFAULT }, null]);
  }
});

test("a layout becomes a document and again a layout", () => {
  const layout = { ...DEFAULT, sort: "change", pinned: ["EURUSD"] };
  assert.deepEqual(readDocument(FORM, JSON.parse(JSON.stringify(documentOf(FORM, layout)))), { layout, error: "" });
  assert.deepEqual(readDocument(FORM, { version: 1, view: "table", colour: "red" }).layout, { ...DEFAULT });
});

test("odd documents are refused with what is wrong", () => {
  const good = documentOf(FORM, DEFAULT);
  for (const [document, why] of [
    [null, /no map/], [[], /no map/], ["x", /no map/], [{}, /view undefined/], [{ ...good, view: "cards" }, /of the view cards/],
    [{ ...good, version: "1" }, /version is no number/], [{ ...good, version: 2 }, /newer page/], [{ ...good, columns: "last" }, /columns must be an array/],
    [{ ...good, pinned: [7] }, /pinned must be/], [{ ...good, descending: 1 }, /true or false/], [{ ...good, filter: null }, /filter must be text/],
  ]) {
    const { layout, error } = readDocument(FORM, document);
    assert.equal(layout, null);
    assert.match(error, why);
  }
});

test("a shared layout that was taken over stays it until something is changed, also over a reload", () => {
  const kept = new Map();
  const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
  const layouts = new Layouts(storage, FORM);
  assert.equal(layouts.isTaken, false);
  layouts.take("desk", 3, FORM.checked({ sort: "bid" }));
  const again = new Layouts(storage, FORM);
  assert.deepEqual([again.taken.name, again.taken.version, again.isTaken, again.shown.sort], ["desk", 3, true, "bid"]);
  again.change({ sort: "ask" });
  assert.equal(again.isTaken, false);
});

test("a name is one for the broker too", () => {
  for (const name of ["", "x".repeat(61), "a/b", "..", "a\\b"]) assert.notEqual(faultOfName(name), "");
  for (const name of ["FX majors", "नेप्से", "%>1"]) assert.equal(faultOfName(name), "");
});

test("currencies and metals of all venues are one market each, all else is of its venue", () => {
  const store = storeOf(row("EURUSD", 1, { source: "fx" }), row("kraken.EURUSD", 1, { source: "kraken" }), row("XAUUSD", 1, { source: "fx" }), row("BTCUSD", 1, { source: "binance" }), row("NABIL", 1, { source: "nepse" }), row("TCKUSDX", 1, { source: "" }));
  assert.deepEqual(arranged(store, { group: "market" }), ["[any venue 1]", "TCKUSDX", "[binance 1]", "BTCUSD", "[currencies 2]", "EURUSD", "kraken.EURUSD", "[metals 1]", "XAUUSD", "[nepse 1]", "NABIL"]);
});

test("the line of a symbol has the last price of each minute seen, an hour at most, and is empty for less than two", () => {
  const store = new QuoteStore();
  const at = (minute, price) => store.take([row("EURUSD", price)], minute * 60_000, 0);
  at(0, 1);
  at(0.5, 1.25);
  assert.deepEqual(store.line("EURUSD"), []);
  at(1, 1.5);
  at(4, 2);
  assert.deepEqual(store.line("EURUSD"), [[0, 1.25], [0.25, 1.5], [1, 2]]);
  for (let minute = 5; minute < 100; minute += 1) at(minute, minute);
  assert.deepEqual([store.line("EURUSD").length, store.line("EURUSD")[0]], [60, [0, 40]]);
  store.clear();
  assert.deepEqual(store.line("EURUSD"), []);
});

test("the details of a symbol have every figure with its meaning", () => {
  const figures = figuresOf(storeOf(row("EURJPY", 163.279, { digits: 3 })).quotes.get("EURJPY"), 1000);
  const texts = new Map(figures.map(([head, text]) => [head, text]));
  assert.deepEqual([texts.get("Last"), texts.get("Open"), texts.get("Close before")], ["163.279", "1.000", "2.000"]);
  assert.ok(figures.every(([, , title]) => title.length > 10));
});
