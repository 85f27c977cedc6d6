/** The grid of displays: a card each, sorted by symbol and id. Arrow keys move the focus; Enter opens a card. */

import { h } from "./dom.js";
import { spoken } from "./format.js";
import { nameOf } from "./store.js";

/** The index of the card that a key moves to from `at`, in a grid with these columns; the same index at an edge. */
export function nextIndex(key, at, columns, total) {
  const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -at, End: total - 1 - at };
  const to = at + (moves[key] ?? 0);
  return to >= 0 && to < total ? to : at;
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
    const item = h("li", {}, card);
    const after = [...this.list.children].find((other) => this._isBefore(id, other.firstChild.dataset.display));
    this.list.insertBefore(item, after ?? null);
    if (!this.held) this._enter(this.list.firstChild.firstChild);
    this.loop.add(canvas, id);
  }

  /** Remove a display's card; the focus moves to its neighbour. */
  remove(id) {
    const card = this.cards.get(id);
    if (!card) return;
    const item = card.parentElement;
    const heir = (item.nextElementSibling ?? item.previousElementSibling)?.firstChild;
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

  _isBefore(id, other) {
    const name = (key) => `${this.store.displays.get(key)?.state.symbol ?? ""} ${key}`;
    return name(id) < name(other);
  }

  _key(event) {
    const cards = [...this.list.querySelectorAll(".card")];
    const at = cards.indexOf(event.target);
    if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const top = cards[0].getBoundingClientRect().top;
    const columns = cards.findIndex((card) => card.getBoundingClientRect().top > top + 1);
    const to = nextIndex(event.key, at, columns < 0 ? cards.length : columns, cards.length);
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
