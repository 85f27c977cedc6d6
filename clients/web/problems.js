/** The health of the bus in the head of the page: the first two problems, on a button that shows all of them. */

import { byId, chip, h } from "./dom.js";
import { healthText } from "./marks.js";

/** The button and the list. */
export class Problems {
  constructor() {
    Object.assign(this, { button: byId("health"), list: byId("problems"), painted: "" });
    this.button.addEventListener("click", () => this._open(this.list.hidden));
  }

  /** Show a report of the judge; null while there is none. */
  paint(report) {
    const health = healthText(report);
    const painted = JSON.stringify(health);
    if (this.painted === painted) return;
    this.painted = painted;
    this.button.hidden = !health;
    this.button.disabled = !health?.problems.length;
    this.button.replaceChildren(...(health?.first ?? []).map(({ text, tone }) => chip(text, tone)));
    this.list.replaceChildren(...(health?.problems ?? []).map(({ text, tone }) => h("li", {}, chip(text, tone))));
    if (this.button.disabled) this._open(false);
  }

  _open(all) {
    this.button.setAttribute("aria-expanded", String(all));
    this.list.hidden = !all;
  }
}
