/** The views of the page, one of which is shown. The address names it (`#/table`), so that a view can be linked, and Back returns. */

import { h } from "./dom.js";

/**
 * A view.
 *
 * @typedef {object} View
 * @property {string} name as in the address
 * @property {string} title as in the navigation
 * @property {HTMLElement[]} elements shown with the view, hidden otherwise
 * @property {function(): boolean} [offered] whether this client may have the view; by default it may
 * @property {function(): void} [open] called when the view is shown
 * @property {function(): void} [close] called when another view is shown
 * @property {function(number): void} [turn] called twice a second while the view is shown, with the milliseconds of `performance.now()`
 */

/** Shows one view at a time. */
export class Views {
  /**
   * @param {HTMLElement} nav gets a link for each view
   * @param {{hash: string}} location of the page
   * @param {View[]} views the first one is shown by default
   */
  constructor(nav, location, views) {
    Object.assign(this, { nav, location, views, shown: null });
    this.links = views.map(({ name, title }) => h("a", { href: `#/${name}` }, title));
    nav.replaceChildren(...this.links);
    this.refresh();
  }

  /** Show the view that the address names; the first one if this client may not have it. */
  refresh() {
    const offered = this.views.filter((view) => view.offered?.() ?? true);
    const wanted = offered.find(({ name }) => this.location.hash === `#/${name}`);
    // The fragment of an element on the present view, such as a link to a panel, leaves the view shown.
    const stays = this.shown !== null && offered.includes(this.shown) && !this.location.hash.startsWith("#/") && this.location.hash !== "";
    this._show(wanted ?? (stays ? this.shown : this.views[0]));
    this.views.forEach((view, at) => {
      this.links[at].hidden = !offered.includes(view);
      if (view === this.shown) this.links[at].setAttribute("aria-current", "page");
      else this.links[at].removeAttribute("aria-current");
    });
    this.nav.hidden = offered.length < 2;
  }

  /** Update the shown view. */
  turn(now) {
    this.shown.turn?.(now);
  }

  _show(view) {
    if (view === this.shown) return;
    const before = this.shown;
    this.shown = view;
    for (const other of this.views) for (const element of other.elements) element.hidden = other !== view;
    before?.close?.();
    view.open?.();
  }
}
