/** Puts the page together: the connection fills the store, the loop draws displays, and a slow clock keeps the words up to date. */

import { browserWorld, Connection } from "./connection.js";
import { Detail } from "./detail.js";
import { byId, chip, say } from "./dom.js";
import { age, count, millis } from "./format.js";
import { Grid } from "./grid.js";
import { Latency } from "./latency.js";
import { Loop } from "./loop.js";
import { healthText, marksOf, statusText } from "./marks.js";
import { ConfigPanel } from "./panel_config.js";
import { paintFeeds, paintPool, paintProcesses } from "./panels.js";
import { applyFrame, applyHello, createStore, dropLapsed, lapse } from "./store.js";
import { Theme } from "./theme.js";

const WANTED = { displays: ["*"], stats: true, config: true };
const REJOIN_MS = 5000; // after a reconnection, displays that are not told within this time are gone
const TURN_MS = 500; // of the slow clock
const STATS_S = 3; // statistics older than this are marked
const LETTERS_MS = 10000; // between two looks at the dead letters

const store = createStore();
const latency = new Latency();
const loop = new Loop(store, latency, matchMedia("(prefers-reduced-motion: reduce)"));
const page = { marks: new Map(), letters: null, lettersAt: -Infinity, rejoin: null, said: "" };

const address = new URL(`/ws${location.search}`, location.href);
address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
const connection = new Connection(browserWorld(address), { hello: heardHello, frame: heardFrame, status: heardStatus });
const request = (type, values) => connection.request(type, values);

const grid = new Grid(byId("displays"), store, loop, (id) => detail.open(id));
const detail = new Detail({ store, loop, remove: (display) => request("display.remove", { display }), closed: (id) => grid.focus(id) });
const config = new ConfigPanel(store, request, offers);
const theme = new Theme((palette) => loop.recolour(palette));

function heardHello(hello) {
  applyHello(store, hello);
  say(byId("version"), hello.version ?? "");
  clearTimeout(page.rejoin);
  page.rejoin = setTimeout(() => dropLapsed(store).forEach(forget), REJOIN_MS);
}

/** Whether the gateway takes requests of this kind. */
function offers(type) {
  return store.hello?.requests?.includes(type) ?? false;
}

function heardFrame(frame) {
  const news = applyFrame(store, frame, performance.now());
  for (const id of news.added) grid.add(id);
  for (const id of news.changed) loop.changed(id);
  news.removed.forEach(forget);
  if (news.broken.length) connection.restart(`the profile of ${news.broken[0]} does not fit`);
  if (news.stats) paintStats();
  if (news.config) config.paint();
  if (news.added.length || news.removed.length) turn();
}

function forget(id) {
  grid.remove(id);
  loop.mark(id, "");
}

function heardStatus(status) {
  if (status.state === "reconnecting") {
    lapse(store);
    clearTimeout(page.rejoin);
  }
  turn();
}

function paintStats() {
  paintPool(byId("pool"), store.stats, page.letters);
  paintFeeds(byId("feeds"), store.stats);
  paintProcesses(byId("processes"), store.stats, store.cpu);
  config.paint();
  say(byId("rate"), count(store.stats.ticks?.per_s));
}

/** The slow clock: ages, words for those who do not see the pictures, and the page's own figures. */
function turn() {
  const now = performance.now();
  page.marks = marksOf(store, connection.status.state, now);
  for (const id of store.displays.keys()) loop.mark(id, page.marks.get(id) ?? "");
  grid.describe(page.marks);
  detail.refresh(page.marks.get(detail.id) ?? "", now);
  byId("empty").hidden = store.displays.size > 0;
  say(byId("empty"), connection.isOpen ? "There is no display yet. Add one by its symbol." : "Nothing to show: there is no connection to the gateway.");
  say(byId("total"), count(store.displays.size));
  paintStatus(now);
  paintHealth();
  paintLatency(now);
  paintTold(now);
  lookForLetters(now);
}

/** Say how old the panels are when no statistics come, which they do each second. */
function paintTold(now) {
  const old = (now - store.statsAt) / 1000;
  const late = store.stats !== null && old > STATS_S;
  byId("told").hidden = !late;
  document.documentElement.toggleAttribute("data-late", late);
  if (late) say(byId("told"), `▲ As told ${age(old)} ago`);
}

function paintStatus(now) {
  const { text, tone, retry } = statusText(connection.status, page.marks.size, store.displays.size, now);
  const shown = byId("status");
  if (shown.dataset.text !== text + tone) shown.replaceChildren(chip(text, tone));
  shown.dataset.text = text + tone;
  byId("retry").hidden = !retry;
  document.documentElement.dataset.connection = connection.status.state;
  const announced = connection.status.state + (connection.status.why && `: ${connection.status.why}`);
  if (connection.status.state !== page.said) {
    page.said = connection.status.state; // once for each change, not for each second of waiting
    say(byId("announced"), announced);
  }
}

/** What is not well, while there is a connection that tells; the pointer has all of it. */
function paintHealth() {
  const told = connection.isOpen ? healthText(store.health) : null;
  const [shown, key] = [byId("health"), told ? told.tone + told.text + told.all : ""];
  if (shown.dataset.told === key) return;
  shown.dataset.told = key;
  shown.replaceChildren(...(told ? [chip(told.text, told.tone)] : []));
  shown.title = told?.all ?? "";
}

function paintLatency(now) {
  const told = latency.read(now);
  say(byId("p50"), millis(told.p50));
  say(byId("p99"), millis(told.p99));
  say(byId("max"), millis(told.max));
  say(byId("fps"), count(told.fps));
  say(byId("painted"), count(told.painted));
  byId("skew").hidden = !(told.p50 < 0);
}

function lookForLetters(now) {
  if (!offers("dead.list") || !connection.isOpen || now - page.lettersAt < LETTERS_MS) return;
  page.lettersAt = now;
  request("dead.list", {}).then((letters) => {
    page.letters = letters;
  }, () => {});
}

byId("add").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [field, said] = [byId("add-symbol"), byId("add-said")];
  const symbol = field.value.trim().toUpperCase();
  try {
    const answer = await request("display.create", { symbol });
    say(said, `✓ ${symbol} is ${answer?.display ?? "there"}`);
    said.className = "said good";
    field.value = "";
  } catch (error) {
    say(said, `${symbol}: ${error.message}`);
    said.className = "said bad";
  }
});
byId("retry").addEventListener("click", () => connection.retry());
byId("theme").addEventListener("click", () => theme.toggle());
addEventListener("online", () => connection.retry());

window.hulak = {
  latency: () => latency.read(performance.now()),
  status: () => ({ ...connection.status, displays: store.displays.size, late: page.marks.size }),
  stats: () => store.stats,
  display: (id) => store.displays.get(id)?.state ?? null,
};

connection.subscribe(WANTED);
connection.start();
loop.start();
setInterval(turn, TURN_MS);
