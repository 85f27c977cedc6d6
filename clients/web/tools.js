/** The tools above the grid: search, order, groups and layouts. They are shown from a number of displays on, and keep their choice. */

import { arrange, GROUPS, ORDERS } from "./arrange.js";
import { byId, h, setText } from "./dom.js";
import { count } from "./format.js";
import { Layouts, TEXT } from "./layouts/own.js";
import { LayoutPicker } from "./layouts/picker.js";

const SHOWN_FROM = 25; // displays; fewer are seen at a glance
const AGAIN_MS = 2000; // between two sorts by a figure: cards that move all the time cannot be read
const LONGEST_FIND = 60; // characters

/** @type {import("./layouts/own.js").Form} */
export const FORM = {
  view: "cards",
  key: "hulak.tools",
  parts: { order: TEXT, group: TEXT, find: TEXT },
  checked({ order, group, find }) {
    const known = (options, name) => (typeof name === "string" && Object.hasOwn(options, name) ? name : Object.keys(options)[0]);
    return { order: known(ORDERS, order), group: known(GROUPS, group), find: typeof find === "string" ? find.slice(0, LONGEST_FIND) : "" };
  },
};

/** Arranges the grid. */
export class Tools {
  /**
   * @param {object} store
   * @param {import("./grid.js").Grid} grid
   * @param {{storage: object|null, request: Function, offers: function(string): boolean}} tools of the page
   */
  constructor(store, grid, { storage, request, offers }) {
    Object.assign(this, { store, grid, lastAt: -Infinity });
    this.layouts = new Layouts(storage, FORM);
    this.text = byId("find");
    this.selects = { order: choices(byId("order"), ORDERS), group: choices(byId("group"), GROUPS) };
    this.picker = new LayoutPicker(this.layouts, { request, offers }, () => this._apply());
    byId("tools").append(this.picker.element);
    this.text.addEventListener("input", () => this._chosen({ find: this.text.value }));
    for (const [name, select] of Object.entries(this.selects)) select.addEventListener("change", () => this._chosen({ [name]: select.value }));
    this._show();
  }

  /** The displays are shown, or the connection is a new one. */
  open() {
    this.picker.soon();
    this.picker.paint();
  }

  /** Look at the shared layouts if it is time. */
  turn(now) {
    if (!byId("tools").hidden) this.picker.turn(now);
  }

  /** Arrange the grid again: at once after a change of the displays or the choice, else if the figures may have changed its order. */
  refresh(now, changed) {
    if (!changed && (this.layouts.shown.order === "symbol" || now - this.lastAt < AGAIN_MS)) return;
    this.lastAt = now;
    this.arrange();
  }

  arrange() {
    const { order, group, find } = this.layouts.shown;
    const total = this.store.displays.size;
    byId("tools").hidden = total < SHOWN_FROM && order === "symbol" && group === "none" && !find;
    const groups = arrange(this.store.displays.values(), { text: find, order, group });
    this.grid.arrange(groups);
    const shown = groups.reduce((sum, { ids }) => sum + ids.length, 0);
    setText(byId("total"), shown === total ? count(total) : `${count(shown)} of ${count(total)}`);
    byId("none").hidden = shown > 0 || total === 0;
  }

  _chosen(part) {
    this.layouts.change(part);
    this.arrange();
  }

  _apply() {
    this._show();
    this.arrange();
  }

  _show() {
    const { shown } = this.layouts;
    if (this.text.value !== shown.find) this.text.value = shown.find;
    for (const [name, select] of Object.entries(this.selects)) select.value = shown[name];
  }
}

function choices(select, options) {
  select.replaceChildren(...Object.entries(options).map(([value, [text]]) => h("option", { value }, text)));
  return select;
}
