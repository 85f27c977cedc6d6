import assert from "node:assert/strict";
import { test } from "node:test";
import { adrUsed, age, bytes, count, dayAndTime, exactly, hasPips, millis, pips, quantile, span, splitPrice, spoken, spreadText, symbolOf, timeOfDay } from "../../../clients/web/format.js";
import { nextIndex } from "../../../clients/web/grid.js";
import { healthText, marketTexts, markOf, silentBroker, staleAfter, statusText, whyEmpty } from "../../../clients/web/marks.js";
import { keysText, keyText, readValue, scopesOf } from "../../../clients/web/panel_config.js";
import { dataAgeOf } from "../../../clients/web/store.js";
import { detailRows, titleOf } from "../../../clients/web/detail.js";
import { someState } from "./context.mjs";

test("a duration that was set has the largest unit that has it whole", () => {
  assert.deepEqual([90, 300, 5400, 7200, 86400, 0, 1.5, NaN].map(exactly), ["90 s", "5 min", "90 min", "2 h", "1 d", "0 s", "1.5 s", "–"]);
});

test("a price is split as dealers read it", () => {
  const split = (price, digits) => Object.values(splitPrice(price, digits)).join("|");
  assert.equal(split(1.08567, 5), "1.08|56|7");
  assert.equal(split(151.191, 3), "151.|19|1");
  assert.equal(split(99.086, 3), "99.|08|6");
  assert.equal(split(163.279, 3), "163.|27|9");
  assert.equal(split(163.27, 2), "163.|27|");
  assert.equal(split(2345.678, 3), "23|45|.678");
  assert.equal(split(118780.01, 2), "118|78|0.01");
  assert.equal(split(118780, 0), "118|78|0");
  assert.equal(split(1.0857, 4), "1.08|57|");
  assert.equal(split(45.6, 1), "45.|6|");
  assert.equal(split(45, 0), "|45|");
  assert.equal(split(null, 5), "|–|");
});

test("no part of a price is left out, at any size and number of decimals", () => {
  for (const digits of [0, 1, 2, 3, 4, 5, 8]) {
    for (const price of [0.00001, 0.7, 9.99999, 99.086, 163.279, 999.9996, 1000, 2345.678, 99999.99, 118780.01, 9876543.21, -163.279]) {
      assert.equal(Object.values(splitPrice(price, digits)).join(""), price.toFixed(digits));
    }
  }
});

test("numbers that are not there are dashes, never zeros", () => {
  assert.deepEqual([age(NaN), bytes(undefined), count(null), millis(NaN), pips(null, 5)], ["–", "–", "–", "–", "–"]);
  assert.deepEqual([age(0.44), age(12.3), age(150), age(7200), bytes(48e6), bytes(1.5e9)], ["0.4 s", "12 s", "3 min", "2.0 h", "48 MB", "1.50 GB"]);
  assert.deepEqual([count(12345.6), millis(3.14), millis(42.4), pips(0.00008, 5)], ["12,346", "3.1 ms", "42 ms", "0.8"]);
});

test("quantiles of the times of tasks are those of the broker, by the buckets that it sends", () => {
  const totals = { count: 100, sum_us: 1, native: [-393, 90, 64, 8, 487, 2] };
  const near = (share) => Math.round(quantile(totals, share));
  assert.deepEqual([near(0.5), near(0.9), near(0.95), near(1)], [199, 199, 795, 30313216]);
  assert.ok([quantile(null, 0.5), quantile({ count: 0, native: [] }, 0.5), quantile({ count: 1, le: [1] }, 0.5)].every(Number.isNaN));
  assert.ok(quantile({ count: 1, native: [-637, 1] }, 0.5) < 1.02);
  assert.deepEqual([span(NaN), span(120), span(2100), span(12.4e6)], ["–", "120 µs", "2.1 ms", "12 s"]);
});

test("a picture's text alternative says what it shows", () => {
  assert.equal(
    spoken("EURUSD", someState(), ""),
    "EURUSD 1.10000, up, day 1.09800 to 1.10200, volatility 1.50, 50 percent of the average range, point of control 1.10050",
  );
  assert.match(spoken("EURUSD", someState(), "stale, 12 s old"), /, stale, 12 s old$/);
  assert.equal(spoken("EURUSD", { ready: false }, ""), "EURUSD, waiting for its first tick");
});

test("a range that is only the day's own has no share used", () => {
  assert.ok(Number.isNaN(adrUsed(someState({ adr_source: "day" }))));
  assert.ok(Number.isNaN(adrUsed(someState({ adr_high: null, adr_low: null }))));
  assert.ok(Math.abs(adrUsed(someState()) - 0.5) < 1e-9);
});

test("arrow keys lead through the grid and stop at its edges", () => {
  const places = Array.from({ length: 24 }, (_, at) => ({ left: (at % 6) * 190, top: Math.floor(at / 6) * 220 }));
  const from = (key, at) => nextIndex(key, at, places);
  assert.deepEqual([from("ArrowRight", 5), from("ArrowDown", 5), from("ArrowUp", 5), from("ArrowLeft", 0)], [6, 11, 5, 0]);
  assert.deepEqual([from("ArrowDown", 20), from("Home", 9), from("End", 9), from("x", 9)], [20, 0, 23, 9]);
});

test("arrow keys lead over the short rows of groups, to the nearest card", () => {
  const places = [[0, 0], [190, 0], [380, 0], [0, 260], [0, 520], [190, 520]].map(([left, top]) => ({ left, top }));
  const from = (key, at) => nextIndex(key, at, places);
  assert.deepEqual([from("ArrowDown", 2), from("ArrowDown", 3), from("ArrowUp", 5), from("ArrowUp", 3), from("ArrowDown", 5)], [3, 4, 3, 0, 5]);
});

test("a display is marked when its data is old, when nothing connects it, and while it catches up", () => {
  const display = { state: someState(), arrived: 0, agedMs: 0 };
  const mark = (connection, now, state = {}) => markOf({ ...display, state: someState(state) }, connection, now, 10);
  assert.equal(mark("connected", 9000), "");
  assert.equal(mark("connected", 12000), "stale, 12 s old");
  assert.equal(mark("reconnecting", 2000), "no connection, 2.0 s old");
  assert.equal(mark("stale", 4000), "gateway is silent, 4.0 s old");
  assert.equal(mark("silent", 1200), "broker is silent, 1.2 s old");
  assert.equal(mark("connected", 0, { catching_up: true }), "catching up");
  assert.deepEqual([staleAfter(null), staleAfter({ scopes: { "kind:feed": { stale_s: 3 } } })], [10, 3]);
});

test("a display of a market is stale after the market's pauses, and not at all while that is closed", () => {
  const display = { state: someState({ source: "nepse" }), arrived: 0, agedMs: 0 };
  const mark = (now, market) => markOf(display, "connected", now, 10, market);
  const open = { market: "nepse", state: "open", pause_s: 150 };
  assert.deepEqual([mark(140_000, open), mark(151_000, open), mark(20_000)], ["", "stale, 3 min old", "stale, 20 s old"]);
  assert.deepEqual(["closed", "pre-open"].map((state) => mark(9e6, { ...open, state })), ["", ""]);
});

test("an unchanged price of a market is not stale while its feed has new data", () => {
  const display = { state: someState({ source: "nepse" }), arrived: 0, agedMs: 0 };
  const mark = (dataAge) => markOf(display, "connected", 600_000, 10, { market: "nepse", state: "open", pause_s: 150 }, dataAge);
  assert.deepEqual([mark(60), mark(151), mark(NaN)], ["", "stale, 10 min old", "stale, 10 min old"]);
  const store = (...rows) => ({ stats: { processes: rows } });
  const feed = { kind: "feed", source: "nepse", data_age_s: 30 };
  assert.equal(dataAgeOf(store({ kind: "worker", source: "nepse" }, feed), display), 30);
  assert.deepEqual([dataAgeOf({ stats: null }, display), dataAgeOf(store({ ...feed, data_age_s: null }), display)], [NaN, NaN]);
});

test("the state of a market has its next opening", () => {
  const markets = new Map([["nepse", { market: "nepse", state: "closed", next_opening: Date.UTC(2026, 10, 30, 5, 15) }]]);
  assert.deepEqual(marketTexts(markets), [{ text: "NEPSE closed", tone: "calm", all: "next opening Mon 30 Nov, 05:15 UTC" }]);
  assert.deepEqual(marketTexts(new Map([["x", { market: "x", state: "open", next_opening: null }]])), [{ text: "X open", tone: "good", all: "" }]);
});

test("a symbol with a tick size has no pips: all its decimals are shown, and its spread is a price or the last one", () => {
  const state = someState({ digits: 2, tick_size: 0.1, price: 2713.92, spread: 0.2 });
  const whole = ({ big, pips, pipette }) => [big, pips, pipette];
  assert.deepEqual(whole(splitPrice(2713.92, 2, hasPips(state))), ["2713.", "92", ""]);
  assert.deepEqual(whole(splitPrice(9.9, 2, hasPips(state))), ["9.", "90", ""]);
  assert.deepEqual([spreadText(state), spreadText({ ...state, spread: 0 })], ["0.20", "last"]);
  assert.equal(spreadText(someState()), "0.8 pips");
});

test("a typed symbol keeps a slash between digits as part of its name", () => {
  assert.deepEqual(["eur/usd", " nicad85/86 ", "BTC-PERP"].map(symbolOf), ["EURUSD", "NICAD85-86", "BTC-PERP"]);
});

test("a display without data is marked with the reason, also before its data is old", () => {
  const display = { state: someState(), arrived: 0, agedMs: 0 };
  assert.equal(markOf(display, "connected", 2000, 10, undefined, NaN, "feed x is silent"), "feed x is silent, 2.0 s old");
});

test("a silent broker is described as the judge does", () => {
  const health = { problems: [{ what: "broker_silent", text: "broker is silent: no sign" }] };
  assert.deepEqual([silentBroker({ silent: false, health }), silentBroker({ silent: true, health })], ["", "broker is silent: no sign"]);
  assert.equal(silentBroker({ silent: true, health: null }), "broker is silent");
});

test("in place of no rows is why there is no data", () => {
  const health = { problems: [{ what: "feeds_missing", text: "0 of 1 feeds report" }, { what: "broker_silent", text: "no statistics yet" }] };
  assert.equal(whyEmpty({ silent: false, health: { problems: [] } }, true, "None yet."), "None yet.");
  assert.equal(whyEmpty({ silent: true, health: null }, true, "None yet."), "No data: broker is silent.");
  assert.equal(whyEmpty({ silent: false, health }, true, "None yet."), "No data: no statistics yet.");
  assert.equal(whyEmpty({ silent: true, health }, false, "None yet."), "No data: the gateway is not connected.");
});

test("the status never says connected alone while data is stale", () => {
  const text = (state, late, total, more = {}) => statusText({ state, attempt: 1, retryAt: 0, why: "why", ...more }, late, total, 0).text;
  assert.equal(text("connected", 0, 24), "connected");
  assert.equal(text("connected", 2, 24), "connected, 2 stale");
  assert.equal(text("connected", 24, 24), "data stale");
  assert.equal(text("connected", 0, 24, { silent: "broker is silent: no sign" }), "data stale: broker is silent: no sign");
  assert.equal(text("stale", 24, 24), "data stale: why");
  assert.equal(text("reconnecting", 24, 24, { retryAt: 2400 }), "reconnecting in 3 s: why");
});

test("problems have the texts of the judge, each with its own tone, in its order", () => {
  const problem = { what: "process_silent", severity: "warning", text: "nepse_00 is silent" };
  assert.equal(healthText(null), null);
  assert.deepEqual(healthText({ level: "OK", problems: [] }), { first: [{ text: "all is well", tone: "good" }], problems: [] });
  assert.deepEqual(healthText({ level: "WARNING", problems: [problem] }), { first: [{ text: "WARNING: nepse_00 is silent", tone: "warn" }], problems: [{ text: "warning: nepse_00 is silent", tone: "warn" }] });
  const worse = { what: "store_failed", severity: "critical", text: "store is failed" };
  const health = healthText({ level: "CRITICAL", problems: [worse, problem, worse] });
  assert.deepEqual(health.first, [{ text: "CRITICAL (3 problems): store is failed", tone: "bad" }, { text: "warning: nepse_00 is silent", tone: "warn" }]);
  assert.deepEqual(health.problems.map(({ text, tone }) => [text, tone]), [["critical: store is failed", "bad"], ["warning: nepse_00 is silent", "warn"], ["critical: store is failed", "bad"]]);
});

test("without a known key the keys are named, those first that have the typed text", () => {
  const keys = ["log_level", "stale_s"];
  assert.equal(keysText(keys, "global", ""), "the keys of this scope: log_level, stale_s");
  assert.equal(keysText(keys, "global", "level"), "do you mean log_level?");
  assert.equal(keysText(keys, "global", "x"), "global has no key x; it has log_level, stale_s");
  assert.equal(keysText([], "global", "x"), "");
});

test("an input is parsed by the type of its key, and sent unchanged if it does not parse", () => {
  assert.deepEqual([readValue(" 2.5 ", "number"), readValue("true", "bool"), readValue("x", "number"), readValue("12", "text")], [2.5, true, "x", "12"]);
});

test("scopes are offered from the broadest to the narrowest: of kinds that report, of displays, and those that have values", () => {
  const stats = { processes: [{ kind: "gateway" }, { kind: "feed" }, { kind: "feed" }] };
  assert.deepEqual(scopesOf(stats, { scopes: { "display:z": {} } }, ["y"]), ["global", "kind:feed", "kind:gateway", "display:y", "display:z"]);
  assert.deepEqual(scopesOf(null, null, []), ["global"]);
});

test("a key is explained: meaning, allowed values, present value and origin", () => {
  const row = { key: "stale_s", value: 30, from: "kind:feed", default: 60, allowed: "a number above 0 (s)", help: "older data is stale" };
  assert.equal(keyText(row), "older data is stale; must be a number above 0 (s); now 30 (kind:feed), default 60");
  assert.match(keyText({ ...row, value: 60, from: "default" }), /now 60, the default$/);
});

test("the detail has a text for every figure, also of a display that knows little", () => {
  const poor = someState({ ask: null, mid: null, spread: null, adr_high: null, adr_low: null, adr_tier: null, twap: null, poc: null, value_area: null });
  const rows = detailRows({ state: poor, profile: null, agedMs: 0, arrived: 0 }, 0);
  assert.ok(rows.every(([name, text]) => name && text && !/NaN|undefined|null/.test(text)), JSON.stringify(rows));
});

test("a number that no date can hold has no time, and stops nothing", () => {
  for (const ms of [2 ** 53 - 1, -1e300, NaN, "x", null]) {
    assert.equal(timeOfDay(ms), "–");
    assert.equal(dayAndTime(ms), "–");
  }
  assert.equal(timeOfDay(0), "00:00:00 UTC");
});

test("the title of a display has its id if it says more than the symbol", () => {
  assert.equal(titleOf({ id: "eurjpy", state: { symbol: "EURJPY" } }), "EURJPY");
  assert.equal(titleOf({ id: "gold", state: { symbol: "XAUUSD" } }), "XAUUSD, gold");
  assert.equal(titleOf({ id: "eurjpy-2", state: { symbol: "EURJPY" } }), "EURJPY, eurjpy-2");
});
