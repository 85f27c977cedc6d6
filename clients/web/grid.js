/** The grid of displays: a card each, in groups. Arrow keys move the focus; Enter opens a card. */

import { h, setText } from "./dom.js";
import { count, spoken } from "./format.js";
import { nameOf } from "./store.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };
const ROWS = { ArrowUp: -1, ArrowDown: 1 };

/**
 * The index of the card that a key moves to from `at`; the same index at an edge.
 *
 * @param {{left: number, top: number}[]} places of the cards, in reading order; rows may have gaps
 */
export function nextIndex(key, at, places) {
  if (key === "Home") return 0;
  if (key === "End") return places.length - 1;
  if (STEPS[key]) return Math.min(places.length - 1, Math.max(0, at + STEPS[key]));
  const way = ROWS[key];
  if (!way) return at;
  const { left, top } = places[at];
  const beyond = places.map((place, index) => ({ index, far: (place.top - top) * way, aside: Math.abs(place.left - left) })).filter(({ far }) => far > 1);
  const nearest = beyond.sort((one, other) => one.far - other.far || one.aside - other.aside)[0];
  return nearest?.index ?? at;
}

/** Keeps the cards consistent with the store. */
export class Grid {
  /**
   * @param {HTMLElement} list
   * @param {object} store
   * @param {import("./loop.js").Loop} loop
   * @param {function(string)} open called with a display's id
   */
  constructor(list, store, loop, open) {
    Object.assign(this, { list, store, loop, open });
    this.cards = new Map(); // id -> button
    this.headings = new Map(); // name of a group -> item
    this.held = false; // whether a card has had the focus; until then the first card is in the tab order
    list.addEventListener("keydown", (event) => this._key(event));
    list.addEventListener("focusin", (event) => this._hold(event.target));
  }

  /** Add a card for a new display. */
  add(id) {
    const canvas = h("canvas", { "aria-hidden": "true" });
    const card = h("button", { class: "card", type: "button", tabindex: "-1", onclick: () => this.open(id) }, canvas);
    card.dataset.display = id;
    this.cards.set(id, card);
    this.list.append(h("li", {}, card));
    this.loop.add(canvas, id);
  }

  /**
   * Show these displays in this order, each group below its heading, and hide the others.
   *
   * @param {{name: string, ids: string[]}[]} groups
   */
  arrange(groups) {
    const items = groups.flatMap(({ name, ids }) => [...(name ? [this._heading(name, ids.length)] : []), ...ids.map((id) => this.cards.get(id).parentElement)]);
    const shown = new Set(items);
    for (const [name, heading] of this.headings) {
      if (shown.has(heading)) continue;
      heading.remove();
      this.headings.delete(name);
    }
    for (const card of this.cards.values()) card.parentElement.hidden = !shown.has(card.parentElement);
    const focused = document.activeElement;
    items.forEach((item, at) => this.list.children[at] !== item && this.list.insertBefore(item, this.list.children[at] ?? null));
    if (focused !== document.activeElement && this.list.contains(focused)) focused.focus({ preventScroll: true }); // a moved element has lost it
    const first = this.list.querySelector("li:not([hidden]) > .card");
    const entry = this.list.querySelector('.card[tabindex="0"]');
    if (first && (!this.held || !entry || entry.parentElement.hidden)) this._enter(first);
  }

  _heading(name, total) {
    if (!this.headings.has(name)) this.headings.set(name, h("li", { class: "group" }, h("h3", {}, name, " ", h("span", { class: "count" }))));
    const heading = this.headings.get(name);
    setText(heading.querySelector(".count"), count(total));
    return heading;
  }

  /** Remove a display's card; the focus moves to its neighbour. */
  remove(id) {
    const card = this.cards.get(id);
    if (!card) return;
    const item = card.parentElement;
    const others = [...this.list.querySelectorAll("li:not([hidden]) > .card")];
    const heir = others[others.indexOf(card) + 1] ?? others[others.indexOf(card) - 1];
    if (card.tabIndex === 0 && heir) this._enter(heir);
    if (document.activeElement === card) heir?.focus();
    this.loop.remove(card.firstChild);
    this.cards.delete(id);
    item.remove();
  }

  /** Update the text alternatives of the cards, and whether their data is stale. */
  describe(marks) {
    for (const [id, card] of this.cards) {
      const mark = marks.get(id) ?? "";
      const display = this.store.displays.get(id);
      if (!display) continue;
      const text = spoken(nameOf(display), display.state, mark);
      if (card.getAttribute("aria-label") !== text) card.setAttribute("aria-label", text);
      card.classList.toggle("late", mark !== "");
    }
  }

  /** Move the focus to a display's card. */
  focus(id) {
    (this.cards.get(id) ?? this.list.querySelector("button"))?.focus();
  }

  _key(event) {
    const cards = [...this.list.querySelectorAll("li:not([hidden]) > .card")];
    const at = cards.indexOf(event.target);
    if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const to = nextIndex(event.key, at, cards.map((card) => card.getBoundingClientRect()));
    if (to === at) return;
    event.preventDefault();
    cards[to].focus();
  }

  /** Keep one card in the tab order: the last one with the focus. */
  _hold(card) {
    if (!card.classList.contains("card")) return;
    this.held = true;
    this._enter(card);
  }

  _enter(card) {
    for (const other of this.cards.values()) other.tabIndex = other === card ? 0 : -1;
  }
}
