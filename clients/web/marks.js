/** The texts about stale displays, health and connection. Pure. */

import { age, dayAndTime } from "./format.js";
import { ageOf, dataAgeOf, marketOf, silentFeedOf } from "./store.js";

const UNCONNECTED = { stale: "gateway is silent", silent: "broker is silent" }; // by the state of the connection
const STALE_S = 10; // unless the configuration has stale_s of feeds

/** The age in seconds at which data is stale: that of the feeds, and at most 10 s. */
export function staleAfter(config) {
  const set = config?.scopes?.["kind:feed"]?.stale_s;
  return Number.isFinite(set) ? Math.min(set, STALE_S) : STALE_S;
}

/**
 * The mark of one display; empty when it is live.
 *
 * @param {object} display
 * @param {string} connection state of the connection; `silent` if the gateway has no heartbeat of the broker
 * @param {number} now the page's monotonic ms
 * @param {number} stale seconds
 * @param {object} [market] of the display: while it is closed, nothing is stale
 * @param {number} [dataAge] seconds since the feed had data of the market: a price that stays the same makes no tick
 * @param {string} [frozen] why it gets no data: its feed is frozen or dead, or it has no worker
 */
export function markOf(display, connection, now, stale, market, dataAge = NaN, frozen = "") {
  const old = ageOf(display, now);
  const suffix = Number.isFinite(old) ? `, ${age(old)} old` : "";
  if (connection !== "connected") return `${UNCONNECTED[connection] ?? "no connection"}${suffix}`;
  if (frozen) return `${frozen}${suffix}`;
  if (display.state.catching_up) return "catching up";
  const isOpen = !market || market.state === "open";
  const judged = market && Number.isFinite(dataAge) ? dataAge : old;
  if (display.state.ready && isOpen && judged >= Math.max(stale, market?.pause_s ?? 0)) return `stale${suffix}`;
  return "";
}

/** The marks of all displays that have one: id -> text. */
export function marksOf(store, connection, now) {
  const stale = staleAfter(store.config);
  const marks = new Map();
  for (const display of store.displays.values()) {
    const frozen = store.unassigned.has(display.id) ? "no display worker" : silentFeedOf(store, display);
    const mark = markOf(display, connection, now, stale, marketOf(store, display), dataAgeOf(store, display), frozen);
    if (mark) marks.set(display.id, mark);
  }
  return marks;
}

/** The states of the markets: text, tone, and a text with the next opening. */
export function marketTexts(markets) {
  return [...markets.values()].map(({ market, state, next_opening: opening }) => ({
    text: `${String(market).toUpperCase()} ${state}`,
    tone: state === "open" ? "good" : "calm",
    all: Number.isFinite(opening) ? `next opening ${dayAndTime(opening)}` : "",
  }));
}

const TONES = { OK: "good", WARNING: "warn", CRITICAL: "bad" };

/** The problems of `hulak check` as texts and tones: for the head the first two, and all of them; null before the first report. */
export function healthText(health) {
  if (!health) return null;
  const problems = (health.problems ?? []).map(({ severity, text }) => ({ text: `${severity}: ${text}`, tone: TONES[severity.toUpperCase()] ?? "bad" }));
  if (!problems.length) return { first: [{ text: "all is well", tone: "good" }], problems };
  const more = problems.length > 1 ? ` (${problems.length} problems)` : "";
  const worst = { text: `${health.level}${more}: ${health.problems[0].text}`, tone: TONES[health.level] ?? "bad" };
  return { first: [worst, ...problems.slice(1, 2)], problems }; // the second is what is frozen, if anything is
}

/** What the judge says about a broker without a sign of life, or without statistics; undefined if it says nothing. */
function ofBroker(store) {
  return store.health?.problems?.find((problem) => problem.what === "broker_silent")?.text;
}

/** What the judge says about a silent broker; empty while it is not silent. */
export function silentBroker(store) {
  return store.silent ? ofBroker(store) ?? UNCONNECTED.silent : "";
}

/** The text in place of no rows: why there is no data, or `otherwise` if the broker and the gateway are there. */
export function whyEmpty(store, isOpen, otherwise) {
  const why = isOpen ? silentBroker(store) || ofBroker(store) : "the gateway is not connected";
  return why ? `No data: ${why}.` : otherwise;
}

/** The status of the connection: text, tone, and whether an immediate retry is possible. */
export function statusText(status, late, total, now) {
  if (status.state === "connected" && status.silent) return { text: `data stale: ${status.silent}`, tone: "bad", retry: false };
  if (status.state === "connected" && total && late === total) return { text: "data stale", tone: "warn", retry: false };
  if (status.state === "connected") return { text: late ? `connected, ${late} stale` : "connected", tone: late ? "warn" : "good", retry: false };
  if (status.state === "stale") return { text: `data stale: ${status.why}`, tone: "bad", retry: false };
  if (status.state === "refused") return { text: "not logged in", tone: "warn", retry: false };
  if (status.state === "connecting") return { text: "connecting", tone: "calm", retry: false };
  const wait = Math.max(0, Math.ceil((status.retryAt - now) / 1000));
  const when = status.retryAt ? `in ${wait} s` : "now";
  return { text: `reconnecting ${when}: ${status.why}`, tone: "bad", retry: Boolean(status.retryAt) };
}
