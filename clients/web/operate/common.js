/** What the views of operators share: a status line, buttons, a question before a change, and requests that are not repeated while one runs. */

import { byId, h, setProse, setText } from "../dom.js";

/** Show what became of an action, in an `output`. */
export function say(output, text, tone = "") {
  output.className = `said ${tone}`.trim();
  setProse(output, text);
}

/** The text of a failed request. */
export function why(error) {
  return `${error.code ? `${error.code}: ` : ""}${error.message}`;
}

/** A small button. */
export function button(text, onclick, more = {}) {
  return h("button", { type: "button", class: "small", onclick, ...more }, text);
}

/** Ask a question in the dialog `confirm`; the promise is true if it was answered with yes. */
export function confirmed(question, yes) {
  const dialog = byId("confirm");
  setText(byId("confirm-text"), question);
  setText(byId("confirm-yes"), yes);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

/** Runs a request again and again while its view is shown, never twice at a time. */
export class Poll {
  /** @param {function(): Promise} work @param {number} everyMs */
  constructor(work, everyMs) {
    Object.assign(this, { work, everyMs, due: 0, isRunning: false });
  }

  /** Run it with the next turn. */
  soon() {
    this.due = 0;
  }

  /** Run it if it is due, at `now` in ms. */
  turn(now) {
    if (this.isRunning || now < this.due) return;
    this.isRunning = true;
    this.due = now + this.everyMs;
    this.work().finally(() => {
      this.isRunning = false;
    });
  }
}

/**
 * Change many things one after the other, with at most this many requests at a time.
 *
 * @returns {Promise<{done: number, failed: Error[]}>}
 */
export async function each(rows, change, atOnce = 4) {
  const result = { done: 0, failed: [] };
  const queue = [...rows];
  const run = async () => {
    for (let row = queue.shift(); row !== undefined; row = queue.shift()) {
      try {
        await change(row);
        result.done += 1;
      } catch (error) {
        result.failed.push(error);
        if (error.code === "NOT_CONNECTED") queue.length = 0;
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, run));
  return result;
}
