/** The tools above the grid: search, order and groups. They are shown from a number of displays on, and keep their choice. */

import { arrange, GROUPS, ORDERS } from "./arrange.js";
import { byId, h, setText } from "./dom.js";
import { count } from "./format.js";

const KEY = "hulak.tools";
const SHOWN_FROM = 25; // displays; fewer are seen at a glance
const AGAIN_MS = 2000; // between two sorts by a figure: cards that move all the time cannot be read

/** Arranges the grid. */
export class Tools {
  /** @param {object} store; @param {import("./grid.js").Grid} grid */
  constructor(store, grid) {
    Object.assign(this, { store, grid, last: "", lastAt: -Infinity });
    this.text = byId("find");
    this.selects = { order: choices(byId("order"), ORDERS), group: choices(byId("group"), GROUPS) };
    const kept = stored();
    for (const [name, select] of Object.entries(this.selects)) if (kept[name]) select.value = kept[name];
    this.text.addEventListener("input", () => this.arrange());
    for (const select of Object.values(this.selects)) select.addEventListener("change", () => this._chosen());
  }

  get wanted() {
    const { order, group } = this.selects;
    return { text: this.text.value, order: order.value, group: group.value };
  }

  /** Arrange the grid again: at once after a change of the displays or the choice, else if the figures may have changed its order. */
  refresh(now, changed) {
    if (!changed && (this.wanted.order === "symbol" || now - this.lastAt < AGAIN_MS)) return;
    this.lastAt = now;
    this.arrange();
  }

  arrange() {
    const { wanted } = this;
    const total = this.store.displays.size;
    byId("tools").hidden = total < SHOWN_FROM && wanted.order === "symbol" && wanted.group === "none" && !wanted.text;
    const groups = arrange(this.store.displays.values(), wanted);
    this.grid.arrange(groups);
    const shown = groups.reduce((sum, { ids }) => sum + ids.length, 0);
    setText(byId("total"), shown === total ? count(total) : `${count(shown)} of ${count(total)}`);
    byId("none").hidden = shown > 0 || total === 0;
  }

  _chosen() {
    const { order, group } = this.wanted;
    try {
      localStorage.setItem(KEY, JSON.stringify({ order, group }));
    } catch {
      // without storage the choice lasts until the page is closed
    }
    this.arrange();
  }
}

function choices(select, options) {
  select.replaceChildren(...Object.entries(options).map(([value, [text]]) => h("option", { value }, text)));
  select.value = Object.keys(options)[0];
  return select;
}

function stored() {
  try {
    const value = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return { order: value.order in ORDERS ? value.order : null, group: value.group in GROUPS ? value.group : null };
  } catch {
    return {};
  }
}
