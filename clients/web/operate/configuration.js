/** The view of the configuration: its history with differences and reverts, schedules, and keys. The form is `ConfigPanel`'s. */

import { byId, chip, h, table } from "../dom.js";
import { count } from "../format.js";
import { button, confirmed, Poll, say, why } from "./common.js";
import { changesText, differencesOf, scheduleText, valueText } from "./config_diff.js";
import { moment } from "./task_rows.js";

const EVERY_MS = 5000;
const VERSIONS = 50;
const STATES = { active: "good", paused: "warn", ended: "calm" };
const num = (text) => ({ text, num: true });

/** The view. */
export class Configuration {
  /** @param {{store: object, request: function, offers: function(string): boolean}} page */
  constructor({ store, request, offers }) {
    Object.assign(this, { store, request, offers, painted: {}, versions: [] });
    this.poll = new Poll(() => this._load(), EVERY_MS);
    byId("diff-form").addEventListener("submit", (event) => this._diff(event));
  }

  open() {
    byId("schedules").hidden = !this.offers("schedules.list");
    byId("keys").hidden = !this.offers("keys.list");
    this.poll.soon();
  }

  turn(now) {
    this.poll.turn(now);
  }

  async _load() {
    const now = Date.now();
    await this._part("history", "config.history", { limit: VERSIONS }, (rows) => this._history(rows, now));
    if (this.offers("schedules.list")) await this._part("schedules", "schedules.list", {}, (rows) => this._schedules(rows, now));
    if (this.offers("keys.list")) await this._part("keys", "keys.list", {}, (answer) => this._keys(answer));
  }

  /** Load one part and show it if it has changed, so that its buttons keep the focus. */
  async _part(name, type, values, paint) {
    try {
      const answer = await this.request(type, values);
      const content = JSON.stringify(answer);
      if (this.painted[name] === content) return;
      this.painted[name] = content;
      const focused = document.activeElement?.dataset?.key;
      byId(`${name}-list`).replaceChildren(...paint(answer));
      if (focused) byId(`${name}-list`).querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
    } catch (error) {
      say(byId(`${name}-said`), why(error), "bad");
    }
  }

  _history(rows, now) {
    this.versions = rows;
    const newest = rows[0]?.version ?? 0;
    const cells = rows.map((row) => [
      String(row.version), moment(row.at_ns, now), row.by || "–", changesText(row.changes), row.note || "–",
      h("span", { class: "actions" }, button("Compare", () => this._compare(row.version, newest), { "data-key": `compare-${row.version}`, "aria-label": `Compare version ${row.version} with the newest` }),
        this.offers("config.revert") && row.version !== newest && button("Revert to it", () => this._revert(row), { "data-key": `revert-${row.version}`, "aria-label": `Revert to version ${row.version}` })),
    ]);
    const values = [newest, ...rows.map(({ version }) => version), 0].filter((one, at, all) => all.indexOf(one) === at);
    for (const [name, chosen] of [["diff-from", rows[1]?.version ?? 0], ["diff-to", newest]]) {
      const field = byId(name);
      const kept = field.options.length ? Number(field.value) : chosen;
      field.replaceChildren(...values.map((version) => h("option", { value: String(version), selected: version === kept }, version === 0 ? "0 (nothing set)" : String(version))));
    }
    return [table("Versions, the newest first", ["version", "at, UTC", "by", "changes", "note", "action"], cells, "Nothing was ever set.")];
  }

  _compare(from, to) {
    const before = this.versions.find(({ version }) => version < from)?.version ?? Math.max(0, from - 1);
    byId("diff-from").value = String(from === to ? before : from);
    byId("diff-to").value = String(to);
    byId("diff-form").requestSubmit();
  }

  async _diff(event) {
    event.preventDefault();
    const [from, to] = ["diff-from", "diff-to"].map((name) => Number(byId(name).value));
    const output = byId("history-said");
    try {
      const [before, after] = [await this.request("config.version", { version: from }), await this.request("config.version", { version: to })];
      const rows = differencesOf(before, after).map(([scope, key, one, other]) => [scope, key, valueText(one), valueText(other)]);
      byId("diff").replaceChildren(h("h3", {}, `From version ${from} to ${to}`), table(`Differences from version ${from} to ${to}`, ["scope", "key", "before", "after"], rows, "They have the same values."));
      say(output, "");
    } catch (error) {
      say(output, why(error), "bad");
    }
  }

  async _revert(row) {
    if (!(await confirmed(`Set all values as they were in version ${row.version}?`, "Revert"))) return;
    await this._do("history", "config.revert", { version: row.version }, ({ version, changed }) => (changed === false ? "nothing changed" : `✓ version ${version} has the values of version ${row.version}`));
  }

  _schedules(rows, now) {
    const cells = rows.map((row) => [
      row.name, `${row.service} ${row.action ?? ""}`, chip(row.state, STATES[row.state] ?? "calm"), scheduleText(row), row.next_ns ? moment(row.next_ns, now) : row.why || "–",
      row.last_state ? chip(row.last_state, row.last_state === "done" ? "good" : row.last_state === "failed" ? "bad" : "calm") : "–", count(row.runs_posted),
      h("span", { class: "actions" }, this.offers("schedule.change") && [["run", "Run now"], row.state === "paused" ? ["resume", "Resume"] : ["pause", "Pause"], ["remove", "Remove"]].filter(([to]) => row.state !== "ended" || to === "remove").map(([to, text]) =>
        button(text, () => this._schedule(row, to, text), { "data-key": `${to}-${row.name}`, "aria-label": `${text}: schedule ${row.name}`, class: to === "remove" ? "small danger" : "small" }))),
    ]);
    return [table("Schedules, the next one first", ["name", "task", "state", "due", "next, UTC", "last run", num("runs"), "action"], cells, "There is no schedule. `hulak task post … --cron` adds one.")];
  }

  async _schedule(row, to, text) {
    if (to === "remove" && !(await confirmed(`Remove the schedule ${row.name}? The tasks of its runs stay.`, "Remove"))) return;
    await this._do("schedules", "schedule.change", { name: row.name, to }, (answer) => (to === "run" ? `✓ posted as ${answer?.task?.slice(0, 8)}` : `✓ ${text}: ${row.name}`));
  }

  _keys({ keys, refused }) {
    const seen = this.store.stats?.security?.keys ?? {};
    const rows = keys.map((key) => [
      key.name, key.roles.join(", "), key.note || "–", key.expires ? key.expires.slice(0, 16).replace("T", " ") : "never", count(seen[key.name]?.connections ?? 0),
      h("span", { class: "actions" }, this.offers("key.revoke") && button("Revoke", () => this._revoke(key), { "data-key": `revoke-${key.name}`, class: "small danger", "aria-label": `Revoke key ${key.name}` })),
    ]);
    const notes = Object.entries(refused).map(([file, text]) => h("p", { class: "note warn" }, `${file} does not count: ${text}`));
    return [table("Authorised keys", ["key", "roles", "note", "expires", num("connections"), "action"], rows, "There are no keys: `hulak key new` makes them."), ...notes];
  }

  async _revoke(key) {
    if (!(await confirmed(`Revoke the key ${key.name}? Its connections end, and it cannot connect again.`, "Revoke"))) return;
    await this._do("keys", "key.revoke", { name: key.name }, () => `✓ ${key.name} is revoked`);
  }

  async _do(name, type, values, done) {
    try {
      say(byId(`${name}-said`), done(await this.request(type, values)), "good");
    } catch (error) {
      say(byId(`${name}-said`), why(error), "bad");
    }
    this.poll.soon();
  }
}
