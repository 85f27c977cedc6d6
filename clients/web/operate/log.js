/** The log of all processes: filtered by the gateway, and followed as long as its end is in view. */

import { byId, chip, h, setText } from "../dom.js";
import { Poll, why } from "./common.js";
import { LEVEL_TONES, lineTime, newLines } from "./log_rows.js";

const EVERY_MS = 2000;
const LIMIT = 300;

/** The part of the view of processes. */
export class LogView {
  /** @param {{request: function, offers: function(string): boolean}} page */
  constructor({ request, offers }) {
    Object.assign(this, { request, offers, lines: [], names: "" });
    [this.process, this.level, this.text, this.follow, this.list] = ["log-process", "log-level", "log-text", "log-follow", "log-lines"].map(byId);
    this.poll = new Poll(() => this._load(), EVERY_MS);
    for (const field of [this.process, this.level, this.text]) field.addEventListener("input", () => this._again());
  }

  open() {
    byId("log").hidden = !this.offers("log.read");
    this.poll.soon();
  }

  turn(now) {
    if (this.offers("log.read") && (this.follow.checked || !this.lines.length || this.isChanged)) this.poll.turn(now);
  }

  _again() {
    this.isChanged = true;
    this.poll.soon();
  }

  async _load() {
    this.isChanged = false;
    const wanted = { level: this.level.value, text: this.text.value, limit: LIMIT, ...(this.process.value && { process: this.process.value }) };
    try {
      this._paint(await this.request("log.read", wanted));
    } catch (error) {
      setText(byId("log-note"), why(error));
    }
  }

  _paint({ processes, lines, cut }) {
    if (processes.join(" ") !== this.names) {
      this.names = processes.join(" ");
      const { value } = this.process;
      this.process.replaceChildren(h("option", { value: "" }, "all"), ...processes.map((name) => h("option", { value: name, selected: name === value }, name)));
    }
    const empty = processes.length ? "No line in what was read has that." : "This home has no log files: under systemd, journalctl has the log.";
    setText(byId("log-note"), lines.length ? `${lines.length} lines${cut ? "; older ones are in the files" : ""}` : empty);
    const added = newLines(this.lines, lines);
    const isSame = added === 0 && lines.length === this.lines.length;
    this.lines = lines;
    if (isSame) return;
    const now = Date.now();
    this.list.replaceChildren(...lines.map((line) => h("div", { class: "line" },
      h("time", {}, lineTime(line.at_ms, now)), chip(line.level || "output", LEVEL_TONES[line.level] ?? "calm"), h("b", {}, line.process), h("span", {}, line.text ? `${line.event} ` : line.event, line.text && h("i", {}, line.text)))));
    if (this.follow.checked) this.list.scrollTop = this.list.scrollHeight;
  }
}
