/**
 * What the page knows, and how the gateway's frames change it. Pure: time is passed in, nothing is drawn here.
 *
 * Times called `now` are the page's monotonic milliseconds. A display's age never compares two machines' clocks: it is the gateway's
 * `sent_ms` minus `received_ms`, both of the gateway's machine, plus what has passed here since.
 */

/** @typedef {{bucket: number, ticks: number, levels: Map<number, number[]>, version: number}} Profile levels: index -> [volume, buy, sell] */
/** @typedef {{id: string, state: object, profile: Profile|null, arrived: number, agedMs: number, moved: boolean, lapsed: boolean, twin: boolean}} Display */

const SILENT_S = 10; // a process that is silent for longer is frozen or dead

/** Make an empty store. */
export function createStore() {
  return { hello: null, displays: new Map(), ticks: new Map(), stats: null, statsAt: 0, health: null, cpu: new Map(), config: null };
}

/** Take the gateway's first message. What was known of displays is kept until the first frame tells better. */
export function applyHello(store, hello) {
  store.hello = hello;
}

/**
 * Take a frame.
 *
 * @returns {{changed: string[], added: string[], removed: string[], broken: string[], stats: boolean, config: boolean}} ids of displays;
 *   `broken` have a profile that does not fit its delta and must be subscribed to again
 */
export function applyFrame(store, frame, now) {
  const news = { changed: [], added: [], removed: [], broken: [], stats: false, config: false };
  for (const [id, told] of Object.entries(frame.displays ?? {})) applyDisplay(store, id, told, frame.sent_ms, now, news);
  for (const id of frame.removed ?? []) {
    if (store.displays.delete(id)) news.removed.push(id);
  }
  if (news.added.length || news.removed.length) noteTwins(store);
  for (const [symbol, tick] of Object.entries(frame.ticks ?? {})) store.ticks.set(symbol, tick);
  if (frame.stats) {
    store.cpu = cpuShares(store.stats, frame.stats, (now - store.statsAt) / 1000);
    [store.stats, store.statsAt, news.stats] = [frame.stats, now, true];
  }
  if (frame.health) store.health = frame.health;
  if (frame.config) [store.config, news.config] = [frame.config, true];
  return news;
}

function applyDisplay(store, id, told, sentMs, now, news) {
  const { profile, profile_delta: delta, ...state } = told;
  let display = store.displays.get(id);
  if (!display) {
    display = { id, state: null, profile: null, arrived: now, agedMs: 0, moved: false, lapsed: false, twin: false };
    store.displays.set(id, display);
    news.added.push(id);
  }
  // Only a state that came while the display was followed measures the way from feed to pixel; the first one may be as old as it likes.
  display.moved = display.state !== null && !display.lapsed && state.received_ms > display.state.received_ms && !state.catching_up;
  display.state = state;
  display.lapsed = false;
  display.arrived = now;
  display.agedMs = state.received_ms > 0 ? Math.max(0, sentMs - state.received_ms) : NaN;
  if (profile) display.profile = wholeProfile(profile, display.profile);
  else if (delta && !mergeProfile(display.profile, delta)) news.broken.push(id);
  news.changed.push(id);
}

/** Make a profile of the one told in full. */
export function wholeProfile(told, before) {
  const levels = new Map(told.levels.map(([index, ...amounts]) => [index, amounts]));
  return { bucket: told.bucket, ticks: told.ticks, levels, version: (before?.version ?? 0) + 1 };
}

/** Put changed levels into a profile; false if there is none that they could belong to. A level without volume is gone. */
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

/** Forget the displays that were not told again after a reconnection, and return their ids: they were removed meanwhile. */
export function dropLapsed(store) {
  const gone = [...store.displays.values()].filter((display) => display.lapsed).map((display) => display.id);
  for (const id of gone) store.displays.delete(id);
  noteTwins(store);
  return gone;
}

/** Note which displays share their symbol with another one: these are shown with a part of their id. */
function noteTwins(store) {
  const firsts = new Map();
  for (const display of store.displays.values()) {
    const first = firsts.get(display.state.symbol);
    display.twin = first !== undefined;
    if (first) first.twin = true;
    else firsts.set(display.state.symbol, display);
  }
}

/** What a display is called: its symbol, and the end of its id where that is not enough. */
export function nameOf(display) {
  return display.twin ? `${display.state.symbol} ·${display.id.slice(-4)}` : display.state.symbol;
}

/** Note that the connection was lost: the next state of each display measures nothing, and a display without one is gone. */
export function lapse(store) {
  for (const display of store.displays.values()) display.lapsed = true;
}

/** How old a display's newest tick is, in seconds; NaN when it has none. */
export function ageOf(display, now) {
  return (display.agedMs + Math.max(0, now - display.arrived)) / 1000;
}

/**
 * The share of one core each process took between two statistics, by `kind/name/pid`.
 *
 * @returns {Map<string, number>} 1 is one whole core; processes that were not there before have none
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

/** What names a process. */
export function keyOf(process) {
  return `${process.kind}/${process.name}/${process.pid}`;
}

/** All processes of the statistics in one list: the broker, those that report, and workers that report through their heartbeats only. */
export function processesOf(stats) {
  const reported = stats.processes ?? [];
  const known = new Set(reported.map((process) => process.pid));
  const broker = stats.broker && !known.has(stats.broker.pid) ? [{ kind: "broker", name: "broker", age_s: 0, ...stats.broker }] : [];
  const workers = (stats.workers ?? []).filter((worker) => worker.pid && !known.has(worker.pid));
  return [...broker, ...reported, ...workers.map((worker) => ({ ...worker, kind: worker.service, age_s: NaN }))]; // theirs is since they registered
}

/**
 * Who has applied the configuration: of the processes that tell a version, those that have this one and those that have not.
 *
 * @returns {{applied: object[], behind: object[]}}
 */
export function appliedBy(stats, version) {
  const telling = processesOf(stats ?? {}).filter((process) => Number.isFinite(process.config_version) && !(process.age_s > SILENT_S));
  return {
    applied: telling.filter((process) => process.config_version >= version),
    behind: telling.filter((process) => process.config_version < version),
  };
}
