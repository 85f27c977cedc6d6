/** The view of processes: workers to drain, restart and scale, all processes, and the subscribers and connections. */

import { byId, chip, figures, h, renew, table } from "../dom.js";
import { age, bytes, count } from "../format.js";
import { processesOf, keyOf } from "../store.js";
import { button, confirmed, say, why } from "./common.js";
import { readWorkers, scalesOf } from "./log_rows.js";

const STATES = { ready: "good", busy: "good", retiring: "warn", idle: "calm" };
const LATE_S = 5;
const MOST_KEYS = 50;
const num = (text) => ({ text, num: true });

/** The view. */
export class Processes {
  /** @param {{store: object, request: function, offers: function(string): boolean}} page */
  constructor({ store, request, offers }) {
    Object.assign(this, { store, request, offers, content: "", waiting: new Map(), isShown: false }); // waiting: service -> names before a restart
    this.output = byId("workers-said");
    byId("scale-form").addEventListener("submit", (event) => this._scale(event));
  }

  open() {
    this.isShown = true;
    byId("scale-form").hidden = !this.offers("service.scale");
    this.paint();
  }

  close() {
    this.isShown = false;
  }

  /** Show the statistics. */
  paint() {
    const { stats, cpu } = this.store;
    if (!this.isShown || !stats) return;
    this._restarted(stats);
    this._workers(stats);
    renew(byId("all-processes"), processTable(stats, cpu));
    renew(byId("subscribers"), ...subscriberParts(stats));
    renew(byId("connections"), ...connectionParts(stats));
  }

  _workers(stats) {
    const workers = [...(stats.workers ?? [])].sort((one, other) => one.service.localeCompare(other.service) || one.name.localeCompare(other.name));
    const content = JSON.stringify([this.offers("worker.drain"), workers.map((row) => [row.name, row.state, row.held, row.done, row.failed]), scalesOf(stats)]);
    if (content === this.content) return;
    this.content = content;
    const focused = document.activeElement?.dataset?.key;
    const rows = workers.map((row) => [
      row.name, row.service, chip(row.state, STATES[row.state] ?? "calm"), `${count(row.held)}/${count(row.credit)}`, count(row.done), count(row.failed),
      bytes(row.rss_bytes), age(row.age_s), h("span", { class: "actions" }, this._actions(row)),
    ]);
    byId("workers").replaceChildren(table("Workers", ["worker", "service", "state", num("held"), num("done"), num("failed"), num("memory"), num("up"), "action"], rows, "No worker is registered."));
    if (focused) byId("workers").querySelector(`[data-key="${focused}"]`)?.focus();
    this._scales(scalesOf(stats));
  }

  _actions(row) {
    if (!this.offers("worker.drain") || row.state === "retiring") return [];
    const drain = button("Drain", () => this._drain(row, false), { "data-key": `drain-${row.name}`, "aria-label": `Drain worker ${row.name}` });
    const restart = row.slot && button("Restart", () => this._drain(row, true), { "data-key": `restart-${row.name}`, "aria-label": `Restart worker ${row.name}` });
    return [drain, ...(restart ? [restart] : [])];
  }

  async _drain(row, again) {
    const question = again ? `Restart ${row.name}? It ends its tasks, and the scaler starts another worker.` : `Drain ${row.name}? It ends its tasks and leaves.`;
    if (!(await confirmed(question, again ? "Restart" : "Drain"))) return;
    const names = new Set((this.store.stats.workers ?? []).filter(({ service }) => service === row.service).map(({ name }) => name));
    try {
      await this.request("worker.drain", { worker: row.name });
      if (again) this.waiting.set(row.service, { worker: row.name, names });
      say(this.output, again ? `${row.name} is draining; its successor is awaited` : `✓ ${row.name} is draining`, again ? "" : "good");
    } catch (error) {
      say(this.output, why(error), "bad");
    }
  }

  /** Report the successor of a worker that was restarted. */
  _restarted(stats) {
    for (const [service, { worker, names }] of this.waiting) {
      const workers = (stats.workers ?? []).filter((row) => row.service === service);
      const successor = workers.find(({ name }) => !names.has(name));
      if (!successor || workers.some(({ name }) => name === worker)) continue;
      this.waiting.delete(service);
      say(this.output, `✓ ${worker} was replaced by ${successor.name}`, "good");
    }
  }

  _scales(scales) {
    const rows = scales.map((row) => [row.service, row.set === "auto" ? "automatic" : `${row.set} by hand`, count(row.wanted ?? NaN), count(row.live ?? NaN), Number.isFinite(row.least) ? `${row.least} to ${row.most}` : "–", count(row.waiting)]);
    byId("scales").replaceChildren(table("Numbers of workers", ["service", "set to", num("wanted"), num("live"), num("bounds"), num("tasks without a worker")], rows, "No service is scaled."));
    const field = byId("scale-service");
    const names = scales.map(({ service }) => service).join(" ");
    if (field.dataset.names === names) return;
    field.dataset.names = names;
    field.replaceChildren(...scales.map(({ service }) => h("option", { value: service }, service)));
  }

  async _scale(event) {
    event.preventDefault();
    const [service, workers] = [byId("scale-service").value, readWorkers(byId("scale-count").value)];
    if (workers === null) {
      say(this.output, "The number of workers must be a whole number, or auto.", "bad");
      return;
    }
    try {
      await this.request("service.scale", { service, workers });
      say(this.output, `✓ ${service}: ${workers === "auto" ? "automatic scaling" : `${workers} workers`}`, "good");
    } catch (error) {
      say(this.output, why(error), "bad");
    }
  }
}

function processTable(stats, cpu) {
  const rows = processesOf(stats).map((process) => {
    const share = cpu.get(keyOf(process));
    return [
      process.name?.startsWith(process.kind) ? process.name : `${process.kind} ${process.name ?? ""}`, String(process.pid ?? "–"), bytes(process.rss_bytes),
      Number.isFinite(process.rss_per_min) ? `${process.rss_per_min < 0 ? "−" : "+"}${bytes(Math.abs(process.rss_per_min))}` : "–",
      Number.isFinite(share) ? `${count(share * 100)} %` : "–", count(process.restarts ?? 0), process.age_s > LATE_S ? chip(age(process.age_s), "warn") : age(process.age_s),
    ];
  });
  return table("All processes", ["process", num("pid"), num("memory"), num("memory per min"), num("cpu"), num("restarts"), num("report")], rows, "No process reports.");
}

function subscriberParts(stats) {
  const { subscribers = {} } = stats;
  const rows = (subscribers.slow ?? []).map((row) => [
    row.name, row.pid ? String(row.pid) : "–", row.address || "–", row.blocked_s > 0 ? chip(age(row.blocked_s), "bad") : "reads", count(row.gaps ?? NaN), count(row.missed ?? NaN), count(row.lost ?? NaN), count(row.cut_off ?? NaN),
  ]);
  const programs = Object.entries(subscribers.programs ?? {}).map(([name, row]) => [name, count(row.gaps), count(row.missed), count(row.lost), count(row.cut_off)]);
  return [
    figures([["named", count(subscribers.named ?? NaN)], ["not reading", count(subscribers.blocked ?? NaN), subscribers.blocked > 0 ? "bad" : null], ["subscriptions", count(stats.ticks?.subscriptions ?? NaN)]]),
    h("h3", {}, "Slow ones"), table("Slow subscribers", ["subscriber", num("pid"), "address", "not reading", num("gaps"), num("missed"), num("lost"), num("disconnected")], rows, "All read, and none missed messages in the last ten minutes."),
    h("h3", {}, "Losses since the broker's start"), table("Losses of subscribers, by program", ["program", num("gaps"), num("missed"), num("lost"), num("disconnected")], programs, "None."),
  ];
}

function connectionParts(stats) {
  const { connections = {}, security = {} } = stats;
  const now = Date.now();
  const sockets = Object.entries(connections.sockets ?? {}).map(([name, number]) => [name, count(number)]);
  const keys = Object.entries(security.keys ?? {}).slice(0, MOST_KEYS).map(([name, row]) => [
    name, count(row.connections), row.last_seen_ns ? `${age((now - row.last_seen_ns / 1e6) / 1000)} ago` : "–", Object.entries(row.refusals ?? {}).map(([kind, number]) => `${kind} ${number}`).join(", ") || "–",
  ]);
  return [
    figures([["now", count(connections.now ?? NaN)], ["limit", count(connections.most ?? NaN)], ["refused", count(connections.refused ?? NaN), connections.recent > 0 ? "bad" : null], ["security", security.mode ?? "–"]]),
    table("Connections by socket", ["socket", num("connections")], sockets, "No data."),
    ...(keys.length ? [h("h3", {}, "By key"), table("Connections by key", ["key", num("connections"), "last seen", "refusals"], keys, "")] : []),
  ];
}
