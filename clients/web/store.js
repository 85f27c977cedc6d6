/**
 * The state of the page, changed by the gateway's frames. Pure: time is an argument, nothing is drawn here.
 *
 * `now` is in monotonic milliseconds of the page. The age of a display never compares the clocks of two machines: it is the gateway's
 * `sent_ms` minus `received_ms`, both of the gateway's machine, plus the time since on this machine.
 */

import { Sparks } from "./bars.js";

/** @typedef {{bucket: number, ticks: number, levels: Map<number, number[]>, version: number}} Profile levels: index -> [volume, buy, sell] */
/** @typedef {{id: string, state: object, profile: Profile|null, arrived: number, agedMs: number, moved: boolean, lapsed: boolean, twin: boolean}} Display */

const REPORTED_MS = 900; // processes report their CPU time each second; statistics may also come in between

/** Make an empty store. */
export function createStore() {
  const maps = { displays: new Map(), ticks: new Map(), cpu: new Map(), markets: new Map() }; // markets: by the source of their ticks
  return { hello: null, stats: null, statsAt: 0, cpuStats: null, cpuAt: -Infinity, health: null, silent: false, unassigned: new Set(), config: null, sparks: new Sparks(), ...maps };
}

/** Apply the gateway's first message. Known displays stay until the first frame replaces them. */
export function applyHello(store, hello) {
  store.hello = hello;
  store.silent = false; // of a gateway whose broker is silent, the first frame has it
  store.unassigned = new Set(); // likewise
}

/**
 * Apply a frame.
 *
 * @returns {{changed: string[], added: string[], removed: string[], broken: string[], stats: boolean, config: boolean}} ids of displays;
 *   `broken` have a profile that does not match its delta and need a new subscription
 */
export function applyFrame(store, frame, now) {
  const news = { changed: [], added: [], removed: [], broken: [], stats: false, config: false };
  for (const [id, update] of Object.entries(frame.displays ?? {})) applyDisplay(store, id, update, frame.sent_ms, now, news);
  for (const id of frame.removed ?? []) {
    if (store.displays.delete(id)) news.removed.push(id);
  }
  if (news.added.length || news.removed.length) markTwins(store);
  for (const [symbol, tick] of Object.entries(frame.ticks ?? {})) store.ticks.set(symbol, tick);
  if (frame.stats) {
    if (now - store.cpuAt >= REPORTED_MS) {
      store.cpu = cpuShares(store.cpuStats, frame.stats, (now - store.cpuAt) / 1000);
      [store.cpuStats, store.cpuAt] = [frame.stats, now];
    }
    [store.stats, store.statsAt, news.stats] = [frame.stats, now, true];
  }
  for (const [name, market] of Object.entries(frame.markets ?? {})) storeMarket(store, name, market);
  if (frame.silent !== undefined) store.silent = frame.silent === true;
  if (frame.unassigned) store.unassigned = new Set(frame.unassigned);
  if (frame.health) store.health = frame.health;
  if (frame.config) [store.config, news.config] = [frame.config, true];
  return news;
}

/** Store the state of a market. Its values are unchecked: a wrong type is left out. */
function storeMarket(store, topicName, body) {
  const name = typeof body.market === "string" ? body.market : topicName;
  const state = typeof body.state === "string" ? body.state.slice(0, 20) : "unknown";
  store.markets.set(name, { ...body, market: name, state, pause_s: Number.isFinite(body.pause_s) ? body.pause_s : 0 });
}

function applyDisplay(store, id, update, sentMs, now, news) {
  const { profile, profile_delta: delta, ...state } = update;
  let display = store.displays.get(id);
  if (!display) {
    display = { id, state: null, profile: null, arrived: now, agedMs: 0, moved: false, lapsed: false, twin: false };
    store.displays.set(id, display);
    news.added.push(id);
  }
  // Only a state that arrived while the display was subscribed measures the latency from feed to pixel; the first one can be old.
  display.moved = display.state !== null && !display.lapsed && state.received_ms > display.state.received_ms && !state.catching_up;
  display.state = state;
  display.lapsed = false;
  display.arrived = now;
  display.agedMs = state.received_ms > 0 ? Math.max(0, sentMs - state.received_ms) : NaN;
  if (profile) display.profile = wholeProfile(profile, display.profile);
  else if (delta && !mergeProfile(display.profile, delta)) news.broken.push(id);
  news.changed.push(id);
}

/** Return a profile from a complete one of the gateway. */
export function wholeProfile(message, before) {
  const levels = new Map(message.levels.map(([index, ...amounts]) => [index, amounts]));
  return { bucket: message.bucket, ticks: message.ticks, levels, version: (before?.version ?? 0) + 1 };
}

/** Merge changed levels into a profile; false without a matching profile. A level without volume is removed. */
export function mergeProfile(profile, delta) {
  if (!profile || (delta.bucket !== undefined && delta.bucket !== profile.bucket)) return false;
  for (const [index, ...amounts] of delta.levels) {
    if (amounts[0] > 0) profile.levels.set(index, amounts);
    else profile.levels.delete(index);
  }
  profile.ticks = delta.ticks ?? profile.ticks;
  profile.version += 1;
  return true;
}

/** Remove the displays without a state after a reconnection, and return their ids: they were removed in the meantime. */
export function dropLapsed(store) {
  const gone = [...store.displays.values()].filter((display) => display.lapsed).map((display) => display.id);
  for (const id of gone) store.displays.delete(id);
  markTwins(store);
  return gone;
}

/** Mark the displays that share their symbol with another one: their names have a part of their id. */
function markTwins(store) {
  const firsts = new Map();
  for (const display of store.displays.values()) {
    const first = firsts.get(display.state.symbol);
    display.twin = first !== undefined;
    if (first) first.twin = true;
    else firsts.set(display.state.symbol, display);
  }
}

/** The name of a display: its symbol, and the end of its id if another display has the symbol. */
export function nameOf(display) {
  return display.twin ? `${display.state.symbol} ·${display.id.slice(-4)}` : display.state.symbol;
}

/** Handle a lost connection: the next state of each display measures no latency, and displays without one are removed later. */
export function lapse(store) {
  for (const display of store.displays.values()) display.lapsed = true;
}

/** The market of a display, if its feed reports one. */
export function marketOf(store, display) {
  return store.markets.get(display.state.source);
}

/** The age in seconds of the newest data of a display's source, as its feed reports it; NaN without a report. */
export function dataAgeOf(store, display) {
  const feeds = (store.stats?.processes ?? []).filter((process) => process.kind === "feed" && process.source === display.state.source);
  const ages = feeds.map((feed) => feed.data_age_s).filter(Number.isFinite);
  return ages.length ? Math.min(...ages) : NaN;
}

/** Whether the judge says that a process is frozen or dead: a row of the statistics, or a worker of their roster. */
export function isSilent(store, process) {
  return (store.health?.silent ?? []).some((row) => row.name === process.name && row.pid === process.pid);
}

/** "feed oanda is silent" if all feeds of a display's source are frozen or dead, else empty. */
export function silentFeedOf(store, display) {
  const feeds = (store.stats?.processes ?? []).filter((process) => process.kind === "feed" && process.source === display.state.source);
  const silent = (store.health?.silent ?? []).filter((row) => feeds.some((feed) => feed.name === row.name && feed.pid === row.pid));
  return feeds.length && silent.length === feeds.length ? `${silent[0].title} is silent` : "";
}

/** The age of a display's newest tick, in seconds; NaN without a tick. */
export function ageOf(display, now) {
  return (display.agedMs + Math.max(0, now - display.arrived)) / 1000;
}

/**
 * The share of a core that each process used between two statistics, by `kind/name/pid`.
 *
 * @returns {Map<string, number>} 1 is a whole core; new processes have none
 */
export function cpuShares(before, after, seconds) {
  const shares = new Map();
  if (!before || !(seconds > 0)) return shares;
  const spent = new Map(processesOf(before).map((process) => [keyOf(process), process.cpu_s]));
  for (const process of processesOf(after)) {
    const share = (process.cpu_s - spent.get(keyOf(process))) / seconds;
    if (Number.isFinite(share)) shares.set(keyOf(process), Math.max(0, share));
  }
  return shares;
}

/** The key of a process. */
export function keyOf(process) {
  return `${process.kind}/${process.name}/${process.pid}`;
}

/** All processes of the statistics: the broker, those that report, and workers that send heartbeats only. */
export function processesOf(stats) {
  const reported = stats.processes ?? [];
  const known = new Set(reported.map((process) => process.pid));
  const broker = stats.broker && !known.has(stats.broker.pid) ? [{ kind: "broker", name: "broker", age_s: 0, ...stats.broker }] : [];
  const workers = (stats.workers ?? []).filter((worker) => worker.pid && !known.has(worker.pid));
  return [...broker, ...reported, ...workers.map((worker) => ({ ...worker, kind: worker.service, age_s: NaN }))]; // their age_s is the time since registration
}

/**
 * The processes that have applied a version of the configuration, and those that have not; processes without a version are ignored.
 *
 * @returns {{applied: object[], behind: object[]}}
 */
export function appliedBy(store, version) {
  const reporting = processesOf(store.stats ?? {}).filter((process) => Number.isFinite(process.config_version) && !isSilent(store, process));
  return {
    applied: reporting.filter((process) => process.config_version >= version),
    behind: reporting.filter((process) => process.config_version < version),
  };
}
