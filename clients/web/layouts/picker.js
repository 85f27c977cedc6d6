/** The controls of layouts: choose one of this browser or a shared one, keep the shown one under a name, share it, remove one. */

import { h, setText } from "../dom.js";
import { confirmed, Poll } from "../operate/common.js";
import { documentOf, faultOfName, readDocument } from "./own.js";
import { SharedLayouts } from "./shared.js";

const AGAIN_MS = 10_000; // between two looks at the broker's layouts while the view is shown
const [OWN, SHARED] = ["own", "shared"];

/** The picker of a view. */
export class LayoutPicker {
  /**
   * @param {import("./own.js").Layouts} layouts of this browser
   * @param {{request: function(string, object): Promise, offers: function(string): boolean}} tools of the connection
   * @param {function()} apply shows `layouts.shown`
   */
  constructor(layouts, tools, apply) {
    Object.assign(this, { layouts, apply, asked: 0, shared: new SharedLayouts(layouts.form.view, tools) });
    this.poll = new Poll(() => this._look(), AGAIN_MS);
    this.select = h("select", { onchange: () => this._load() });
    this.name = h("input", { maxlength: "60", placeholder: "name", spellcheck: "false", "aria-label": "Name of the layout" });
    this.share = h("button", { type: "button", class: "small", title: "Keep the layout at the broker, for all users of this page", onclick: () => this._share() }, "Share");
    this.remove = h("button", { type: "button", class: "small", onclick: () => this._remove() }, "Remove");
    this.said = h("output", { class: "said" });
    const keep = h("button", { type: "submit", class: "small", title: "Keep the layout in this browser" }, "Keep layout");
    const form = h("form", { class: "keep", autocomplete: "off", onsubmit: (event) => this._save(event) }, this.name, keep, this.share);
    this.element = h("div", { class: "layouts" }, h("label", {}, "Layout ", this.select), this.remove, form, this.said);
    this.paint(layouts.taken === null ? "" : `${SHARED}:${layouts.taken.name}`);
  }

  /** Look at the broker's layouts if it is time, at `now` in ms. */
  turn(now) {
    if (this.shared.isOffered) this.poll.turn(now);
    this.share.hidden = !this.shared.mayChange;
  }

  /** Look at them with the next turn: the view was opened, or the connection is a new one. */
  soon() {
    this.poll.soon();
  }

  /** Show the names, and the chosen one. */
  paint(chosen = this.select.value) {
    const own = [...this.layouts.named.keys()].sort();
    const shared = [...this.shared.heads.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
    const group = (label, options) => options.length > 0 && h("optgroup", { label }, options);
    this.select.replaceChildren(h("option", { value: "" }, own.length || shared.length ? "choose" : "none kept"), ...[
      group("In this browser", own.map((name) => h("option", { value: `${OWN}:${name}` }, name))),
      group("Shared", shared.map((head) => h("option", { value: `${SHARED}:${head.name}`, title: authorOf(head) }, head.name))),
    ].filter(Boolean));
    this.select.value = chosen;
    if (this.select.selectedIndex < 0) this.select.value = "";
    const [place, name] = this._chosen();
    this.remove.hidden = !name || (place === SHARED && !this.shared.mayChange);
    this.remove.title = place === SHARED ? "Remove the layout from the broker, for all users" : "Remove the layout from this browser";
    this.share.hidden = !this.shared.mayChange;
  }

  /** Say something about the layouts. */
  say(text, good = false) {
    setText(this.said, text);
    this.said.className = `said ${good ? "good" : "bad"}`;
  }

  _chosen() {
    const [, place = "", name = ""] = /^(own|shared):(.*)$/.exec(this.select.value) ?? [];
    return [place, name];
  }

  async _look() {
    try {
      if (!(await this.shared.refresh())) return;
    } catch {
      return; // without a connection the page says so elsewhere
    }
    this.paint();
    const { taken } = this.layouts;
    const head = this.shared.heads.get(taken?.name);
    if (!head || head.version === taken.version) return;
    if (this.layouts.isTaken) await this._take(head.name, `✓ ${head.name}, as ${authorOf(head)} changed it`);
    else this.say(`${head.name} was changed: ${authorOf(head)}; choose it again to show it`, true);
  }

  async _load() {
    const [place, name] = this._chosen();
    this.name.value = name;
    this.say("");
    if (place === SHARED) {
      await this._take(name, "");
      return;
    }
    this.asked += 1;
    this.layouts.load(name);
    this.paint();
    this.apply();
  }

  /** Show a shared layout, unless another one was chosen meanwhile. */
  async _take(name, said) {
    const asked = ++this.asked;
    try {
      const { version, document } = await this.shared.read(name);
      if (asked !== this.asked) return;
      const { layout, error } = readDocument(this.layouts.form, document);
      if (error) {
        this.say(`${name} cannot be shown: ${error}`);
        return;
      }
      this.layouts.take(name, version, layout);
      this.say(said, true);
      this.paint(`${SHARED}:${name}`);
      this.apply();
    } catch (error) {
      if (asked === this.asked) this.say(`${name}: ${error.message}`);
    }
  }

  _save(event) {
    event.preventDefault();
    const name = this.name.value = this.name.value.trim();
    const why = this.layouts.save(name);
    this.say(why || `✓ kept as ${name}`, !why);
    this.paint(why ? undefined : `${OWN}:${name}`);
  }

  async _share() {
    const name = this.name.value = this.name.value.trim();
    const why = faultOfName(name);
    if (why) {
      this.say(why);
      this.name.focus();
      return;
    }
    const layout = this.layouts.shown;
    await this._changing(async () => {
      const version = await this.shared.put(name, documentOf(this.layouts.form, layout));
      this.layouts.take(name, version, layout);
      return [`✓ shared as ${name}`, `${SHARED}:${name}`];
    });
  }

  async _remove() {
    const [place, name] = this._chosen();
    if (place === OWN) {
      this.layouts.remove(name);
      this._removed(name);
      this.paint("");
      return;
    }
    if (!(await confirmed(`Remove the layout ${name} for all users?`, "Remove"))) return;
    await this._changing(async () => {
      await this.shared.remove(name);
      this._removed(name);
      return [`✓ ${name} removed`, ""];
    });
  }

  _removed(name) {
    this.name.value = "";
    this.say(`✓ ${name} removed`, true);
    this.name.focus(); // the button of the chosen one is gone
  }

  async _changing(change) {
    this.share.disabled = this.remove.disabled = true;
    try {
      const [said, chosen] = await change();
      this.say(said, true);
      this.paint(chosen);
    } catch (error) {
      this.say(error.message);
      this.paint();
    } finally {
      this.share.disabled = this.remove.disabled = false;
    }
  }
}

/** The author and the time of the last change of a layout. */
function authorOf({ version, by, at_ns: atNs }) {
  const at = Number.isFinite(atNs) ? new Date(atNs / 1e6).toISOString().slice(0, 16).replace("T", " ") : "";
  return [`version ${version}`, by && `by ${by}`, at && `${at} UTC`].filter(Boolean).join(", ");
}
