/** Why a display's picture may be out of date, in words. Pure. */

import { age } from "./format.js";
import { ageOf } from "./store.js";

const STALE_S = 10; // unless the configuration says when a feed's data is stale

/** When data is stale, in seconds: as set for all feeds, but never later than 10 s for a person who looks at it. */
export function staleAfter(config) {
  const set = config?.scopes?.["kind:feed"]?.stale_s;
  return Number.isFinite(set) ? Math.min(set, STALE_S) : STALE_S;
}

/**
 * The mark of one display; empty when it is live.
 *
 * @param {object} display
 * @param {string} connection state of the connection
 * @param {number} now the page's monotonic ms
 * @param {number} stale seconds
 */
export function markOf(display, connection, now, stale) {
  const old = ageOf(display, now);
  const told = Number.isFinite(old) ? `, ${age(old)} old` : "";
  if (connection !== "connected") return `${connection === "stale" ? "nothing heard" : "no connection"}${told}`;
  if (display.state.catching_up) return "catching up";
  if (display.state.ready && old >= stale) return `stale${told}`;
  return "";
}

/** The marks of all displays that have one: id -> text. */
export function marksOf(store, connection, now) {
  const stale = staleAfter(store.config);
  const marks = new Map();
  for (const display of store.displays.values()) {
    const mark = markOf(display, connection, now, stale);
    if (mark) marks.set(display.id, mark);
  }
  return marks;
}

const TONES = { OK: "good", WARNING: "warn", CRITICAL: "bad" };

/** What is not well behind the gateway, by the judge that `hulak check` asks too: text, tone, and all of it; null before it was told. */
export function healthText(health) {
  if (!health) return null;
  const problems = health.problems ?? [];
  if (!problems.length) return { text: "all is well", tone: "good", all: "" };
  const more = problems.length > 1 ? ` (${problems.length} things)` : "";
  const all = problems.map((one) => `${one.severity}: ${one.text}`).join("\n");
  return { text: `${health.level}${more}: ${problems[0].text}`, tone: TONES[health.level] ?? "bad", all };
}

/** How the connection is, for people: text, tone, and whether it can be tried at once. */
export function statusText(status, late, total, now) {
  if (status.state === "connected" && total && late === total) return { text: "data stale", tone: "warn", retry: false };
  if (status.state === "connected") return { text: late ? `connected, ${late} stale` : "connected", tone: late ? "warn" : "good", retry: false };
  if (status.state === "stale") return { text: `data stale: ${status.why}`, tone: "warn", retry: false };
  if (status.state === "connecting") return { text: "connecting", tone: "calm", retry: false };
  const left = Math.max(0, Math.ceil((status.retryAt - now) / 1000));
  const when = status.retryAt ? `in ${left} s` : "now";
  return { text: `reconnecting ${when}: ${status.why}`, tone: "bad", retry: Boolean(status.retryAt) };
}
