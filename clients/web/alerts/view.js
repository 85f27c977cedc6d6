/** The view of alerts: the list, a form to add one, what has fired, and notifications of the desktop. */

import { chip, h, prose, setText, table } from "../dom.js";
import { count, isTime } from "../format.js";
import { browserWorld, Notices, permissionText } from "./notices.js";
import { alertOf, conditionText, CONDITIONS, firingText, patternOf, stateOf } from "./texts.js";

const READ_MS = 5000; // between two reads of the list while the view is shown
const MOST_FIRINGS = 100;
const PAST = 50; // firings that are read from the journal
const WINDOWS = [["60", "in 1 minute"], ["300", "in 5 minutes"], ["3600", "in 1 hour"], ["", "since the day began"]];

const num = (text) => ({ text, num: true });
const when = (ms) => (isTime(ms) ? `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")}` : "–");

export class AlertsView {
  /**
   * @param {HTMLElement} root of the view
   * @param {HTMLElement} notices gets a note for each firing, in any view
   * @param {{request: Function, offers: function(string): boolean, streams: object, symbols: function(): string[]}} page
   */
  constructor(root, notices, page) {
    Object.assign(this, { root, page, firings: [], live: false, list: null, why: "", readAt: -Infinity });
    this.notices = new Notices(notices, browserWorld());
    this._build();
    this._follow();
  }

  /** The entry of the page's list of views. */
  get entry() {
    return {
      name: "alerts", title: "Alerts", elements: [this.root], offered: () => this.page.offers("alert.list"),
      open: () => this._read(), turn: (now) => this._turn(now),
    };
  }

  _build() {
    const field = (label, input) => h("label", {}, h("span", {}, label), input);
    this.fields = {
      symbol: h("input", { id: "alert-symbol", required: true, maxlength: 60, placeholder: "EURUSD or EUR*", list: "alert-symbols", spellcheck: "false", autocapitalize: "characters" }),
      condition: h("select", { id: "alert-condition" }, CONDITIONS.map(({ name, label }) => h("option", { value: name }, label))),
      value: h("input", { id: "alert-value", required: true, inputmode: "decimal", maxlength: 24, "aria-describedby": "alert-unit" }),
      window: h("select", { id: "alert-window" }, WINDOWS.map(([value, label]) => h("option", { value }, label))),
      name: h("input", { id: "alert-name", maxlength: 64, pattern: "[A-Za-z0-9_\\-]+", placeholder: "optional", spellcheck: "false" }),
      note: h("input", { id: "alert-note", maxlength: 200, placeholder: "optional" }),
      repeat: h("input", { id: "alert-repeat", type: "checkbox" }),
    };
    const fields = this.fields;
    this.unit = h("small", { id: "alert-unit", class: "note" });
    this.symbols = h("datalist", { id: "alert-symbols" });
    this.windowField = field("over", fields.window);
    this.said = h("output", { class: "said", for: "alert-symbol alert-condition alert-value" });
    this.form = h("form", { id: "alert-form", autocomplete: "off", onsubmit: (event) => this._add(event) },
      field("symbol", fields.symbol), this.symbols, field("condition", fields.condition),
      h("label", {}, h("span", {}, "value ", this.unit), fields.value), this.windowField,
      field("name", fields.name), field("note", fields.note), h("label", { class: "check" }, fields.repeat, h("span", {}, "fire again each time")),
      h("button", { type: "submit" }, "Add alert"), this.said);
    fields.condition.addEventListener("change", () => this._suit());
    fields.symbol.addEventListener("focus", () => this.symbols.replaceChildren(...this.page.symbols().map((value) => h("option", { value }))));
    this._suit();

    this.evaluated = h("p", { class: "note", id: "alerts-evaluated" });
    this.rows = h("div", { id: "alerts-rows" }, h("p", { class: "empty" }, "Reading the alerts."));
    this.outcome = h("output", { class: "said bad" });
    this.fired = h("div", { id: "alerts-fired" });
    this.desktop = h("span", {});
    this.toggle = h("button", { type: "button", class: "small", onclick: () => this.notices.toggle().then(() => this._paintPermission()) });
    this.root.replaceChildren(
      h("section", { "aria-labelledby": "alerts-head" }, h("h2", { id: "alerts-head" }, "Alerts"), this.evaluated, this.rows, this.outcome),
      h("section", { "aria-labelledby": "alert-form-head", id: "alert-new" }, h("h2", { id: "alert-form-head" }, "New alert"), this.form),
      h("section", { "aria-labelledby": "fired-head" }, h("h2", { id: "fired-head" }, "Fired"),
        h("p", { class: "note" }, "Desktop notifications: ", this.desktop, " ", this.toggle), this.fired));
    this._paintFirings();
    this._paintPermission();
  }

  /** Suit the form to the condition. */
  _suit() {
    const { unit, window } = CONDITIONS.find(({ name }) => name === this.fields.condition.value);
    setText(this.unit, `(${unit})`);
    this.windowField.hidden = !window;
  }

  /** Read what fires, from the newest ones in the journal on; on a new connection again. */
  _follow() {
    this.page.streams.read({ topic: "alert.*", last: PAST }, {
      began: () => Object.assign(this, { firings: [], live: false }),
      rows: (rows, live) => {
        this.firings = [...rows.toReversed(), ...this.firings].slice(0, MOST_FIRINGS);
        if (this.live) rows.forEach((row) => this.notices.show(row));
        this.live ||= live;
        this._paintFirings();
        if (rows.length && live) this.readAt = -Infinity; // the list has their numbers
      },
      failed: (text) => {
        this.firings = [];
        this.fired.replaceChildren(h("p", { class: "empty" }, prose(`The firings cannot be read: ${text}`)));
      },
    });
  }

  _turn(now) {
    this.now = now;
    if (now - this.readAt >= READ_MS) this._read();
  }

  async _read() {
    this.readAt = this.now ?? 0;
    this.form.parentElement.hidden = !this.page.offers("alert.add");
    this._paintPermission();
    try {
      this._paint(await this.page.request("alert.list", {}));
    } catch (error) {
      this.evaluated.replaceChildren(chip(`the alerts cannot be read: ${error.message}`, "bad"));
    }
  }

  _paint({ alerts, evaluated, why }) {
    this.evaluated.replaceChildren(evaluated ? chip("evaluated by `hulak derive`", "good") : chip(`not evaluated: ${why}`, "warn"));
    const key = JSON.stringify(alerts.map((row) => [row, stateOf(row, Date.now()).text]));
    if (key === this.painted) return; // so that the focus stays on a button
    this.painted = key;
    const may = this.page.offers("alert.remove");
    const heads = ["alert", "symbol", "condition", "state", num("fired"), "last, UTC", "note", ...(may ? ["action"] : [])];
    this.rows.replaceChildren(table("Alerts", heads, alerts.map((row) => this._row(row, may)), `No alerts yet.${may ? " Add one with the form." : ""}`));
  }

  _row(row, may) {
    const { text, tone } = stateOf(row, Date.now());
    const last = when(row.last?.at);
    const cells = [row.name, row.symbol, conditionText(row) + (row.repeat ? ", each time" : ""), chip(text, tone), count(row.firings), last, row.note];
    const button = (label, act, style = "") => h("button", { type: "button", class: `small ${style}`.trim(), "aria-label": `${label} ${row.name}`, onclick: act }, label);
    return may ? [...cells, h("span", { class: "acts" },
      button(row.enabled ? "Turn off" : "Turn on", () => this._change("alert.enable", { name: row.name, enabled: !row.enabled })),
      button("Remove", () => this._change("alert.remove", { name: row.name }), "danger"))] : cells;
  }

  async _change(type, values) {
    try {
      await this.page.request(type, values);
      setText(this.outcome, "");
    } catch (error) {
      setText(this.outcome, `${values.name}: ${error.message}`);
    }
    await this._read();
    (this.rows.querySelector(`button[aria-label$=" ${CSS.escape(values.name)}"]`) ?? this.rows.querySelector("button") ?? this.fields.symbol).focus();
  }

  async _add(event) {
    event.preventDefault();
    const { symbol, condition, value, window, name, note, repeat } = this.fields;
    const given = { symbol: patternOf(symbol.value), condition: condition.value, value: value.value, window: window.value, name: name.value.trim(), note: note.value.trim(), repeat: repeat.checked };
    const { alert, why } = alertOf(given);
    try {
      if (!alert) throw new Error(why);
      const row = await this.page.request("alert.add", { alert });
      this.said.className = "said good";
      setText(this.said, `✓ ${row.name}: ${conditionText(row)}`);
      for (const field of [symbol, value, name, note]) field.value = "";
      repeat.checked = false;
      await this._read();
    } catch (error) {
      this.said.className = "said bad";
      setText(this.said, error.message);
    }
  }

  _paintFirings() {
    const rows = this.firings.map((row) => [when(row.at), row.alert ?? "–", firingText(row), count(row.number), row.note ?? ""]);
    this.fired.replaceChildren(table("Firings, newest first", ["time, UTC", "alert", "what", num("tick number"), "note"], rows, this.live ? "Nothing has fired yet." : "Reading what has fired."));
  }

  _paintPermission() {
    const { text, action } = permissionText(this.notices.world);
    setText(this.desktop, text);
    setText(this.toggle, action);
    this.toggle.hidden = !action;
  }
}
