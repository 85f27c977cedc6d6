/** The panel of the bridge to other sites: a row for each way, as `hulak bridge status` has them. It is shown while a bridge reports. */

import { chip, renew, table } from "./dom.js";
import { age, count } from "./format.js";

const STATES = { sending: "good", receiving: "good", waiting: "calm", "standing by": "calm", connecting: "calm" };
const BEHIND_S = 10; // from then on `hulak check` warns, too

/**
 * The ways of all bridges in the statistics.
 *
 * @returns {{site: string, way: string, state: string, why: string, number: number, lag: number, lag_s: number, missing: number, under_way: number}[]}
 *   `way` is out and in (ticks), tasks, serves (tasks of others) or config; missing figures are undefined
 */
export function waysOf(stats) {
  const several = (way, rows) => Object.entries(isMap(rows) ? rows : {}).sort().map(([site, row]) => [way, site, row]);
  const one = (way, site, row) => (isMap(row) ? [[way, String(site), row]] : []);
  const bridges = (stats.processes ?? []).filter((process) => process.kind === "bridge");
  return bridges.flatMap(({ name, send, receive, tasks, serves, config }) => [
    ...one("out", name, send), ...several("in", receive), ...several("tasks", tasks), ...one("serves", name, serves), ...one("config", config?.owner, config),
  ]).filter(([, , row]) => isMap(row)).map(([way, site, row]) => ({ ...row, way, site }));
}

function isMap(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Show the ways, or hide the section. */
export function paintBridge(section, root, stats) {
  const ways = waysOf(stats);
  section.hidden = !(stats.processes ?? []).some((process) => process.kind === "bridge");
  if (section.hidden) return;
  renew(root, table("Ways of the bridge", ["site and way", "state", { text: "number", num: true }, { text: "behind", num: true }, { text: "missing", num: true }], ways.map((row) => [
    `${row.site} ${row.way}`, state(row), count(row.number), behind(row), row.missing > 0 ? chip(count(row.missing), "warn") : count(row.missing ?? NaN),
  ]), "It connects to NATS."));
}

function state({ state: name, why }) {
  const shown = chip(String(name ?? "–"), STATES[name] ?? "bad");
  shown.title = typeof why === "string" ? why : "";
  return shown;
}

function behind({ lag, lag_s: seconds, under_way: underWay }) {
  if (Number.isFinite(underWay)) return `${count(underWay)} tasks`;
  const text = lag > 0 ? `${count(lag)}, ${age(seconds ?? NaN)}` : count(lag ?? NaN);
  return seconds >= BEHIND_S ? chip(text, "warn") : text;
}
