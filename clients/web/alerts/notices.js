/** Tells people of alerts that fire: notes on the page, which screen readers read out, and notifications of the desktop. */

import { h } from "../dom.js";
import { count, timeOfDay } from "../format.js";
import { firingText } from "./texts.js";

const MOST = 3; // notes at a time, one of each alert; the view has all firings
const SHOWN_MS = 20000;
const KEY = "hulak-notify";

/** What the browser permits, in words; `world` has the Notification of the browser, if it has one, and whether they are wanted. */
export function permissionText(world) {
  if (!world.Notification) return { text: "this browser has no desktop notifications for this address", action: "" };
  if (world.Notification.permission === "denied") return { text: "the browser blocks them for this address; its settings allow them", action: "" };
  if (world.Notification.permission === "granted" && world.wanted()) return { text: "on, without sound", action: "Turn off" };
  return { text: "off", action: "Turn on" };
}

function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** The world of a browser. */
export function browserWorld() {
  return {
    Notification: globalThis.isSecureContext ? globalThis.Notification : undefined,
    wanted: () => stored() === "on",
    want: (on) => {
      try {
        localStorage.setItem(KEY, on ? "on" : "off");
      } catch {} // a browser that keeps nothing asks again
    },
  };
}

export class Notices {
  /**
   * @param {HTMLElement} root gets the notes; its changes are read out
   * @param {object} world see `browserWorld`
   */
  constructor(root, world) {
    Object.assign(this, { root, world, notes: new Map() }); // name of an alert -> its note
    new ResizeObserver(() => document.body.style.setProperty("--notices", `${root.offsetHeight}px`)).observe(root); // room below the content
  }

  /** Turn notifications of the desktop on or off; the browser asks the user the first time, which only a click may cause. */
  async toggle() {
    const { Notification, wanted, want } = this.world;
    if (Notification?.permission === "granted") want(!wanted());
    else if ((await Notification?.requestPermission()) === "granted") want(true);
  }

  /** Show a firing: of an alert that fires again, in the note that is there, with the number of its firings. */
  show(row) {
    const [name, text] = [row.alert ?? "alert", firingText(row)];
    const before = this.notes.get(name);
    const times = (before?.times ?? 0) + 1;
    const note = h("div", { class: "notice" },
      h("div", {}, h("strong", {}, `▲ ${name}`), ` ${text}`, row.note ? h("span", { class: "note" }, ` ${row.note}`) : null,
        h("span", { class: "note" }, ` ${timeOfDay(row.at)}${times > 1 ? `, ${count(times)} times` : ""}`)),
      h("button", { type: "button", class: "small", "aria-label": `Dismiss ${name}`, onclick: () => this._remove(name) }, "✕"));
    const isFocused = before?.note.contains(document.activeElement);
    if (before) before.note.replaceWith(note);
    else this.root.append(note);
    if (isFocused) note.querySelector("button").focus();
    clearTimeout(before?.timer);
    this.notes.set(name, { note, times, timer: setTimeout(() => this._remove(name), SHOWN_MS) });
    if (this.notes.size > MOST) this._remove(this.notes.keys().next().value);
    this._notify(row, text);
  }

  _remove(name) {
    const shown = this.notes.get(name);
    if (!shown) return;
    clearTimeout(shown.timer);
    shown.note.remove();
    this.notes.delete(name);
  }

  _notify(row, text) {
    const { Notification, wanted } = this.world;
    if (Notification?.permission !== "granted" || !wanted()) return;
    const shown = new Notification(`Hulak: ${row.alert}`, { body: row.note ? `${text}\n${row.note}` : text, tag: `${row.alert} ${row.symbol}`, silent: true });
    shown.onclick = () => {
      globalThis.focus();
      location.hash = "#/alerts";
    };
  }
}
