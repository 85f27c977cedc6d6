/** The main module of the page: the connection fills the store, the loop draws displays, and a timer updates the texts. */

import { AlertsView } from "./alerts/view.js";
import { Candles } from "./candles.js";
import { browserWorld, Connection } from "./connection.js";
import { Detail } from "./detail.js";
import { byId, chip, h, setText } from "./dom.js";
import { age, count, millis, symbolOf } from "./format.js";
import { Grid } from "./grid.js";
import { Hints } from "./hints.js";
import { Latency } from "./latency.js";
import { Login } from "./login.js";
import { Loop } from "./loop.js";
import { marketTexts, marksOf, silentBroker, statusText, whyEmpty } from "./marks.js";
import { MarketView } from "./market/view.js";
import { Charts } from "./operate/charts.js";
import { Configuration } from "./operate/configuration.js";
import { LogView } from "./operate/log.js";
import { Processes } from "./operate/processes.js";
import { Tasks } from "./operate/tasks.js";
import { paintBridge } from "./panel_bridge.js";
import { ConfigPanel } from "./panel_config.js";
import { paintFeeds, paintPool, paintProcesses } from "./panels.js";
import { Problems } from "./problems.js";
import { applyFrame, applyHello, createStore, dropLapsed, lapse } from "./store.js";
import { TableView } from "./table/view.js";
import { Theme } from "./theme.js";
import { Tools } from "./tools.js";
import { Views } from "./views.js";

const WANTED = { displays: ["*"], stats: true, config: true, markets: true };
const REJOIN_MS = 5000; // after a reconnection, displays without a state within this time are removed
const TURN_MS = 500; // period of the timer
const STATS_S = 2; // statistics older than this are marked
const LETTERS_MS = 10000; // between two requests of the dead letters

const store = createStore();
const latency = new Latency();
const loop = new Loop(store, latency, matchMedia("(prefers-reduced-motion: reduce)"));
const page = { marks: new Map(), letters: null, lettersAt: -Infinity, rejoin: null, announced: "" };

const address = new URL("/ws", location.href);
address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
const connection = new Connection(browserWorld(address), { hello: onHello, frame: onFrame, status: onStatus });
const request = (type, values) => connection.request(type, values);
connection.subscribe(WANTED);

const grid = new Grid(byId("displays"), store, loop, (id) => detail.open(id));
new Hints(byId("displays"), byId("hint"), (canvas) => loop.view(canvas));
const storage = browserStorage();
const tools = new Tools(store, grid, { storage, request, offers });
const candles = new Candles(byId("detail-chart"), byId("detail-legend"), { read: (wanted, handlers) => connection.streams.read(wanted, handlers), request });
const detail = new Detail({ store, loop, candles, remove: (display) => request("display.remove", { display }), closed: (id) => grid.focus(id) });
const problems = new Problems();
const login = new Login({ fetch: (path, options) => fetch(path, options), changed: reconnect });
const config = new ConfigPanel(store, request, offers);
const table = new TableView({
  latency, spark: (symbol) => store.sparks.line(symbol), storage, open: openSymbol, request, offers, why: (none) => whyEmpty(store, connection.isOpen, none),
  subscribe: (part) => connection.add(part), unsubscribe: (part) => connection.remove(part), read: (wanted, handlers) => connection.streams.read(wanted, handlers),
});
document.querySelector("main").append(table.element);
loop.table = (now) => table.frame(now);
const operators = { store, request, offers };
const [tasks, charts, processes] = [new Tasks(operators), new Charts(request), new Processes(operators)];
const [log, configuration] = [new LogView(operators), new Configuration(operators)];
const theme = new Theme((palette) => {
  charts.recolour(palette);
  loop.recolour(palette);
  candles.recolour(palette);
  table.recolour(palette);
});

const symbols = () => [...new Set([...store.displays.values()].map(({ state }) => state.symbol))].sort();
const alerts = new AlertsView(byId("alerts"), byId("notices"), { request, offers, streams: connection.streams, symbols });
const market = new MarketView(byId("market"), { request, offers, market: () => store.markets.get("nepse") });

const views = new Views(byId("views"), location, [
  { name: "displays", title: "Displays", elements: [byId("floor"), byId("panels"), byId("sections")], open: () => tools.open(), turn: (now) => tools.turn(now) },
  { name: "table", title: "Table", elements: [table.element], open: () => table.open(), close: () => table.close(), turn: (now) => table.turn(now) },
  market.entry,
  alerts.entry,
  { name: "tasks", title: "Tasks", elements: [byId("tasks")], offered: () => offers("tasks.list"), open: () => tasks.open(), turn: (now) => tasks.turn(now) },
  { name: "charts", title: "Charts", elements: [byId("charts")], offered: () => offers("history.read"), open: () => charts.open(), turn: (now) => charts.turn(now) },
  {
    name: "processes", title: "Processes", elements: [byId("workings")], offered: () => offers("tasks.list"),
    open: () => [processes, log].forEach((part) => part.open()), close: () => processes.close(), turn: (now) => log.turn(now),
  },
  { name: "config", title: "Configuration", elements: [byId("configuration")], offered: () => offers("config.history"), open: () => configuration.open(), turn: (now) => configuration.turn(now) },
]);

function onHello(hello) {
  applyHello(store, hello);
  table.reset();
  tools.open();
  setText(byId("version"), hello.version ?? "");
  login.welcome(hello);
  byId("add").hidden = !offers("display.create");
  byId("detail-remove").hidden = !offers("display.remove");
  byId("config-form").hidden = !offers("config.set");
  views.refresh(); // a client's role decides which it may have
  clearTimeout(page.rejoin);
  page.rejoin = setTimeout(() => dropLapsed(store).forEach(removeDisplay), REJOIN_MS);
}

/** Show the details of a symbol's display; false if it has none. */
function openSymbol(symbol) {
  const display = [...store.displays.values()].find(({ state }) => state?.symbol === symbol);
  if (display) detail.open(display.id);
  return display !== undefined;
}

/** The storage of the browser; null where it is not allowed. */
function browserStorage() {
  try {
    return localStorage;
  } catch {
    return null;
  }
}

/** Whether the gateway accepts requests of this kind. */
function offers(type) {
  return store.hello?.requests?.includes(type) ?? false;
}

function onFrame(frame) {
  const news = applyFrame(store, frame, performance.now());
  for (const id of news.added) grid.add(id);
  for (const id of news.changed) loop.changed(id);
  news.removed.forEach(removeDisplay);
  if (news.broken.length) connection.restart(`the profile of ${news.broken[0]} is inconsistent`);
  if (store.stats && (news.stats || frame.health)) paintStats();
  if (frame.silent !== undefined || frame.health || frame.unassigned) turn();
  if (news.config) config.paint();
  if (frame.quotes) table.take(frame.quotes, frame.sent_ms, performance.now());
  if (frame.markets) paintMarkets();
  if (news.added.length || news.removed.length) {
    tools.refresh(performance.now(), true);
    turn();
  }
}

/** Read the bars of the last hour of all symbols, for the lines of the cards; of a shorter time if the journal begins later. */
function readSparks(since) {
  connection.streams.read({ topic: "bar.1m.*", since }, {
    began: () => store.sparks.clear(),
    rows: (rows) => loop.changedSymbols(store.sparks.take(rows)),
    failed: (text, code) => code === "TOO_OLD" && since !== "oldest" && readSparks("oldest"),
  });
}

/** Show the states of the markets, and in their displays. */
function paintMarkets() {
  byId("markets").replaceChildren(...marketTexts(store.markets).map(({ text, tone, all }) => {
    const shown = chip(text, tone);
    shown.title = all;
    return shown;
  }));
  loop.changedAll();
  turn();
}

function removeDisplay(id) {
  grid.remove(id);
  loop.mark(id, "");
  tools.refresh(performance.now(), true);
}

/** Connect with the present login, or without one. */
function reconnect() {
  connection.restart("the login has changed");
  connection.retry();
}

function onStatus(status) {
  if (status.state === "reconnecting" || status.state === "refused") {
    lapse(store);
    clearTimeout(page.rejoin);
  }
  if (status.state === "refused" || status.state === "connected") login.show(status.state === "refused", status.why);
  turn();
}

function paintStats() {
  paintPool(byId("pool"), store, page.letters);
  paintFeeds(byId("feeds"), store);
  paintBridge(byId("bridge"), byId("bridge-ways"), store.stats);
  paintProcesses(byId("processes"), store);
  config.paint();
  tasks.paintStats();
  processes.paint();
  setText(byId("rate"), count(store.stats.ticks?.per_s));
}

/** Update ages, text alternatives and the figures of the page. */
function turn() {
  const now = performance.now();
  const state = store.silent && connection.status.state === "connected" ? "silent" : connection.status.state;
  document.documentElement.toggleAttribute("data-silent", state !== "connected");
  page.marks = marksOf(store, state, now);
  for (const id of store.displays.keys()) loop.mark(id, page.marks.get(id) ?? "");
  grid.describe(page.marks);
  detail.refresh(page.marks.get(detail.id) ?? "", now);
  byId("empty").hidden = store.displays.size > 0;
  setText(byId("empty"), whyEmpty(store, connection.isOpen, `No displays yet.${offers("display.create") ? " Add one by its symbol." : ""}`));
  tools.refresh(now, false);
  views.turn(now);
  paintStatus(now);
  problems.paint(connection.isOpen ? store.health : null);
  paintLatency(now);
  paintAge(now);
  requestLetters(now);
}

/** Show the age of the figures if the statistics, which arrive each second, are late. */
function paintAge(now) {
  const old = (now - store.statsAt) / 1000;
  const late = store.stats !== null && old > STATS_S;
  byId("stats-age").hidden = !late;
  document.documentElement.toggleAttribute("data-late", late);
  if (late) setText(byId("stats-age"), `▲ figures are ${age(old)} old`);
}

function paintStatus(now) {
  const { text, tone, retry } = statusText({ ...connection.status, silent: silentBroker(store) }, page.marks.size, store.displays.size, now);
  const shown = byId("status");
  if (shown.dataset.text !== text + tone) shown.replaceChildren(chip(text, tone));
  shown.dataset.text = text + tone;
  byId("retry").hidden = !retry;
  document.documentElement.dataset.connection = connection.status.state;
  const announced = connection.status.state + (connection.status.why && `: ${connection.status.why}`);
  if (connection.status.state !== page.announced) {
    page.announced = connection.status.state; // once per change, not per second of waiting
    setText(byId("announced"), announced);
  }
}

function paintLatency(now) {
  const values = latency.read(now);
  setText(byId("p50"), millis(values.p50));
  setText(byId("p99"), millis(values.p99));
  setText(byId("max"), millis(values.max));
  setText(byId("fps"), count(values.fps));
  setText(byId("painted"), count(values.painted));
  byId("skew").hidden = !(values.p50 < 0);
}

function requestLetters(now) {
  if (!offers("dead.list") || !connection.isOpen || now - page.lettersAt < LETTERS_MS) return;
  page.lettersAt = now;
  request("dead.list", {}).then((letters) => {
    page.letters = letters;
  }, () => {});
}

byId("add").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [field, output] = [byId("add-symbol"), byId("add-said")];
  const symbol = symbolOf(field.value);
  try {
    const answer = await request("display.create", { symbol });
    setText(output, `✓ ${symbol} is ${answer?.display ?? "created"}`);
    output.className = "said good";
    field.value = "";
  } catch (error) {
    setText(output, `${symbol}: ${error.message}`);
    output.className = "said bad";
  }
});
byId("retry").addEventListener("click", () => connection.retry());
byId("theme").addEventListener("click", () => theme.toggle());
addEventListener("online", () => connection.retry());
addEventListener("hashchange", () => views.refresh());

window.hulak = {
  latency: () => latency.read(performance.now()),
  status: () => ({ ...connection.status, displays: store.displays.size, late: page.marks.size }),
  stats: () => store.stats,
  display: (id) => store.displays.get(id)?.state ?? null,
};

readSparks("1h");
connection.start();
loop.start();
setInterval(turn, TURN_MS);
