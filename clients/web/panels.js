/** The panels beside the displays: pool, feeds, processes. Each shows a part of the statistics in its section. */

import { chip, cut, figures, prose, renew, table } from "./dom.js";
import { age, bytes, count, quantile, span } from "./format.js";
import { isSilent, keyOf, processesOf } from "./store.js";

const WORKERS = { ready: "good", busy: "good", retiring: "warn", idle: "calm" };
const FEEDS = { connected: "good", restoring: "good", connecting: "calm", closed: "calm", degraded: "warn", backoff: "bad", stale: "bad" };
const LATE_S = 5; // a subscriber that has not read for longer is marked
const MOST_ACTIONS = 12; // rows of the times of tasks
const OLD_S = 5; // age of a feed's data that is marked, before the feed reports it as stale

const num = (text) => ({ text, num: true });

/** The workers of the pool of tasks: all but the display workers. */
export function poolOf(stats) {
  return (stats.workers ?? []).filter((worker) => worker.service !== "display");
}

/** The NEPSE pool: its queue, its tasks, its workers, and the dead letters. */
export function paintPool(root, store, letters) {
  const { stats } = store;
  const tasks = stats.tasks ?? {};
  const wanted = Object.entries(stats.scaling ?? {}).map(([service, scaling]) => `${service} ${scaling.workers === "auto" ? "scales automatically" : `held at ${scaling.workers}`}`);
  renew(
    root,
    figures([
      ["queued", count(tasks.queued)], ["waiting", count(tasks.waiting)], ["running", count(tasks.running)],
      ["done", count(tasks.done)], ["done/s", count(tasks.per_s, 1)], ["failed", count(tasks.failed), tasks.failed > 0 ? "bad" : null],
      ["expired", count(tasks.expired)], ["retried", count(tasks.retried)], ["oldest queued", age(tasks.oldest_s ?? NaN)],
    ]),
    table("Workers of the pool", ["worker", "state", num("held"), num("done"), num("failed")], poolOf(stats).map((worker) => [
      worker.name, stateChip(store, worker, WORKERS), `${count(worker.held)}/${count(worker.credit)}`,
      count(worker.done), count(worker.failed),
    ]), "No worker is registered."),
    ...(wanted.length ? [paragraph(wanted.join("; "))] : []),
    ...actionTimes(tasks.actions ?? []),
    ...deadLetters(tasks, letters),
  );
}

/** The actions of tasks with their times since the start of the broker: those first that took most of the workers' time. */
function actionTimes(actions) {
  if (!actions.length) return [];
  const title = Object.assign(document.createElement("h3"), { textContent: "Times of tasks" });
  const spent = (row) => row.run_totals?.sum_us ?? 0;
  const rows = [...actions].sort((one, other) => spent(other) - spent(one)).slice(0, MOST_ACTIONS).map((row) => [
    `${row.service} ${row.action}`, count(row.run_totals?.count), marked(count(row.failed), row.failed > 0),
    span(quantile(row.wait_totals, 0.99)), span(quantile(row.run_totals, 0.5)), span(quantile(row.run_totals, 0.99)),
  ]);
  const heads = ["task", num("runs"), num("failed"), num("wait p99"), num("run p50"), num("run p99")];
  return [title, table("Times of tasks, by action", heads, rows, "No attempt has ended yet.")];
}

/** Dead letters: posted tasks that failed permanently; from the store, if the gateway reports them. */
function deadLetters(tasks, letters) {
  const title = Object.assign(document.createElement("h3"), { textContent: "Dead letters" });
  if (!letters) {
    const failed = tasks.failed ?? 0;
    return [title, paragraph(failed ? `${count(failed)} tasks failed since the broker's start; \`hulak dead ls\` shows them.` : "None since the broker's start.")];
  }
  const rows = letters.map((row) => [`${row.service} ${row.action}`, cut(row.trouble || "–"), count(row.attempt)]);
  return [title, table("Dead letters, newest first", ["task", "why", num("attempts")], rows, "None.")];
}

/** The feeds: state, ages, stale and refused symbols. */
export function paintFeeds(root, store) {
  const { stats } = store;
  const feeds = processesOf(stats).filter((process) => process.kind === "feed");
  const journal = stats.journal ?? {};
  const ticks = stats.ticks ?? {};
  renew(
    root,
    figures([
      ["ticks/s", count(ticks.per_s)], ["ticking", `${count(ticks.ticking ?? ticks.symbols)}/${count(ticks.symbols)}`], ["taken", count(ticks.taken)],
      ["journal", journal.state ?? "–", journal.state === "live" ? null : "bad"], ["size", bytes(journal.bytes)],
      ["lost", count(journal.lost), journal.lost > 0 ? "bad" : null],
    ]),
    table("Feeds", ["feed", "state", num("data"), num("stale"), num("resent"), num("errors")], feeds.map((feed) => [
      feed.name, stateChip(store, feed, FEEDS), marked(age(feed.data_age_s), feed.data_age_s > OLD_S + (feed.pause_s ?? 0)),
      marked(`${count(feed.stale)}/${count(feed.symbols)}`, feed.stale > 0), count(feed.resent), marked(count(feed.errors), feed.errors > 0),
    ]), "No feed reports."),
    ...feeds.flatMap(feedNotes),
  );
}

function feedNotes(feed) {
  const notes = [];
  const stale = feed.stale_symbols ?? [];
  const more = feed.stale > stale.length ? ` and ${feed.stale - stale.length} more` : "";
  if (stale.length) notes.push(paragraph(`${feed.name}: no recent tick of ${stale.join(", ")}${more}`, "warn"));
  for (const [symbol, why] of Object.entries(feed.symbol_errors ?? {})) {
    notes.push(paragraph(`${feed.name} ${symbol}: ${typeof why === "string" ? why : (why?.text ?? JSON.stringify(why))}`, "warn"));
  }
  return notes;
}

/** The processes: memory, CPU, applied version of the configuration, and age of the last report. */
export function paintProcesses(root, store) {
  const { stats } = store;
  const rows = processesOf(stats).map((process) => {
    const share = store.cpu.get(keyOf(process));
    return [
      process.name?.startsWith(process.kind) ? process.name : `${process.kind} ${process.name ?? ""}`, count(process.pid).replace(/,/g, ""),
      bytes(process.rss_bytes), Number.isFinite(share) ? `${count(share * 100)} %` : "–",
      Number.isFinite(process.config_version) ? String(process.config_version) : "–", marked(age(process.silent_s ?? process.age_s), isSilent(store, process)),
    ];
  });
  const heads = ["process", num("pid"), num("memory"), num("cpu"), num("config"), num("heard")];
  const displays = stats.displays;
  const held = displays && figures([
    ["displays", count(displays.displays)], ["assigned", count(displays.assigned), displays.assigned < displays.displays ? "bad" : null],
    ["their workers", count(displays.workers)], ["moved", count(displays.moved)], ["states", count(displays.states)],
  ]);
  renew(root, ...(held ? [held] : []), table("Processes", heads, rows, "No process reports."), ...slowSubscribers(stats));
}

/** The subscribers that do not read, or missed messages in the last ten minutes. */
function slowSubscribers(stats) {
  const slow = stats.subscribers?.slow ?? [];
  if (!slow.length) return [];
  const title = Object.assign(document.createElement("h3"), { textContent: "Slow subscribers" });
  const rows = slow.map((row) => [
    row.name, row.pid ? String(row.pid) : (row.address ?? "–"), marked(age(row.blocked_s ?? NaN), row.blocked_s >= LATE_S),
    count(row.missed ?? NaN), marked(count(row.lost ?? NaN), row.lost > 0), marked(count(row.cut_off ?? NaN), row.cut_off > 0),
  ]);
  const heads = ["subscriber", num("pid"), num("not reading"), num("missed"), num("lost"), num("disconnected")];
  return [title, table("Slow subscribers", heads, rows, "None.")];
}

/** The state of a process; of one that is frozen or dead, its last one is not shown. */
function stateChip(store, process, tones) {
  return isSilent(store, process) ? chip("silent", "bad") : chip(process.state ?? "–", tones[process.state] ?? "calm");
}

/** A figure that needs attention, marked by a sign in addition to its colour. */
function marked(text, needsAttention) {
  if (!needsAttention) return text;
  return Object.assign(document.createElement("strong"), { className: "warn", textContent: `▲ ${text}` });
}

function paragraph(text, tone = "") {
  const element = Object.assign(document.createElement("p"), { className: `note ${tone}`.trim() });
  element.append(...prose(text));
  return element;
}
