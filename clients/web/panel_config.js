/** The live configuration: its version, the processes that apply it, the set values, and a form to change a key. */

import { byId, chip, h, renew, setProse, setText, table } from "./dom.js";
import { timeOfDay } from "./format.js";
import { appliedBy } from "./store.js";

/** Parse an input by the type of its key: text stays text, all else is JSON if it parses. */
export function readValue(text, type) {
  const typed = text.trim();
  if (type === "text") return typed;
  try {
    return JSON.parse(typed);
  } catch {
    return typed; // an unreadable value is sent unchanged, and the gateway refuses it with the reason
  }
}

/** The scopes to offer: one per kind of reporting process, those with values, and one per display. */
export function scopesOf(stats, config, displays) {
  const kinds = (stats?.processes ?? []).map((process) => `kind:${process.kind}`);
  const scopes = new Set(["global", ...kinds, ...Object.keys(config?.scopes ?? {}), ...displays.map((id) => `display:${id}`)]);
  const rank = (scope) => (scope === "global" ? 0 : scope.startsWith("kind:") ? 1 : 2);
  return [...scopes].sort((first, second) => rank(first) - rank(second) || (first < second ? -1 : 1));
}

/** The description of a key in a sentence: meaning, allowed values, present value and its origin. */
export function keyText(row) {
  const parts = [row.help, `must be ${row.allowed}`, `now ${row.value}${row.from === "default" ? ", the default" : ` (${row.from}), default ${row.default}`}`];
  return parts.join("; ");
}

/** What stands in place of a key's description: which keys there are, those first that the text is a part of. */
export function keysText(keys, scope, typed) {
  if (!keys.length) return "";
  const found = keys.filter((key) => key.includes(typed));
  if (!found.length) return `${scope} has no key ${typed}; it has ${keys.join(", ")}`;
  return `${typed ? "do you mean" : "the keys of this scope:"} ${found.join(", ")}${typed ? "?" : ""}`;
}

/** The panel. */
export class ConfigPanel {
  /**
   * @param {object} store
   * @param {function(string, object): Promise} request sends a message and returns its answer
   * @param {function(string): boolean} offers whether the gateway accepts requests of a type
   */
  constructor(store, request, offers) {
    Object.assign(this, { store, request, offers, rows: [] });
    this.form = byId("config-form");
    this.scope = byId("config-scope");
    this.key = byId("config-key");
    this.value = byId("config-value");
    this.output = byId("config-said");
    this.form.addEventListener("submit", (event) => this._submit(event));
    this.scope.addEventListener("change", () => this._lookUp());
    this.key.addEventListener("input", () => this._help());
  }

  /** Show the configuration. */
  paint() {
    const { config, stats, displays } = this.store;
    this._offerScopes(scopesOf(stats, config, [...displays.keys()]));
    if (this.lookedUp !== config?.version) this._lookUp();
    this.lookedUp = config?.version;
    const version = config?.version;
    setText(byId("config-version"), config ? `Version ${version}${config.by ? `, by ${config.by}` : ""}${config.at_ns ? `, ${timeOfDay(config.at_ns / 1e6)}` : ""}${config.note ? `: ${config.note}` : ""}` : "No data yet.");
    const rows = Object.entries(config?.scopes ?? {}).flatMap(([scope, values]) =>
      Object.entries(values).map(([key, value]) => [scope, key, String(value), this._unsetButton(scope, key)]));
    const content = `${version} ${this.offers("config.set")} ${rows.map((row) => row.slice(0, 3).join(" ")).join("; ")}`;
    if (this.shown !== content) {
      this.shown = content; // unchanged buttons stay, and keep the focus
      byId("config-values").replaceChildren(table("Values that are set", ["scope", "key", "value", "action"], rows, "Nothing is set: every key has its default."));
    }
    this.paintApplied(version);
  }

  /** Show the processes that have applied the present version. */
  paintApplied(version) {
    if (!this.store.stats || version === undefined) return;
    const { applied, behind } = appliedBy(this.store, version);
    const all = applied.length + behind.length;
    const names = behind.map((process) => `${process.kind} ${process.name} (${process.config_version})`);
    const text = all ? `applied by ${applied.length} of ${all}` : "no process reports its version";
    renew(byId("config-applied"), chip(names.length ? `${text}; not yet: ${names.join(", ")}` : text, names.length ? "warn" : all ? "good" : "calm"));
  }

  _unsetButton(scope, key) {
    if (!this.offers("config.set")) return "";
    const unset = () => this._send({ scope, values: {}, unset: [key] }, `${key} of ${scope} has its default again`);
    return h("button", { type: "button", class: "small", "aria-label": `unset ${key} of ${scope}`, onclick: unset }, "Unset");
  }

  /** The label of a scope; that of a display has its symbol. */
  _label(scope) {
    const display = scope.startsWith("display:") && this.store.displays.get(scope.slice("display:".length));
    return display ? `${scope} (${display.state.symbol})` : scope;
  }

  _offerScopes(scopes) {
    const key = scopes.join(" ");
    if (this.offered === key) return;
    this.offered = key;
    const chosen = this.scope.value;
    this.scope.replaceChildren(...scopes.map((scope) => h("option", { value: scope, selected: scope === chosen }, this._label(scope))));
  }

  /** Request the keys of the chosen scope and their values. */
  async _lookUp() {
    if (!this.offers("config.get")) return;
    const scope = this.scope.value;
    const { rows } = await this.request("config.get", { scope }).catch(() => ({ rows: [] })); // the form works without help texts
    if (scope !== this.scope.value) return;
    this.rows = rows;
    byId("config-keys").replaceChildren(...rows.map((row) => h("option", { value: row.key }, row.help)));
    this._help();
  }

  _help() {
    const row = this._known();
    setProse(byId("config-help"), row ? keyText(row) : keysText(this.rows.map(({ key }) => key), this.scope.value, this.key.value.trim()));
  }

  _known() {
    return this.rows.find((row) => row.key === this.key.value.trim());
  }

  _submit(event) {
    event.preventDefault();
    const [scope, key] = [this.scope.value, this.key.value.trim()];
    const value = readValue(this.value.value, this._known()?.type);
    this._send({ scope, values: { [key]: value }, note: byId("config-note").value.trim() }, `${key} of ${scope} is ${value}`);
  }

  async _send(values, done) {
    this.output.className = "said";
    setProse(this.output, "…");
    try {
      const answer = await this.request("config.set", values);
      setProse(this.output, answer?.changed === false ? "nothing changed: the value is set already" : `✓ ${done}${answer?.version ? `: version ${answer.version}` : ""}`);
      this.output.className = "said good";
    } catch (error) {
      setProse(this.output, `${error.code ? `${error.code}: ` : ""}${error.message}`);
      this.output.className = "said bad";
    }
  }
}
