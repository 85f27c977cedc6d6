/** Layouts of the table: columns, sort, group, filter and pinned symbols, by name, kept in the browser. Pure but for the storage passed in. */

import { BY_NAME, GROUPS, SHOWN } from "./columns.js";

const KEY = "hulak.table";
const MOST_LAYOUTS = 50;
const MOST_PINNED = 1000;
export const DEFAULT = { columns: SHOWN, sort: "symbol", descending: false, group: "none", filter: "", pinned: [] };

/** Return a layout whose parts are all valid; unknown columns, sorts and groups are left out. */
export function checked(layout) {
  const given = layout !== null && typeof layout === "object" ? layout : {};
  const columns = Array.isArray(given.columns) ? given.columns.filter((name) => BY_NAME.has(name) && name !== "symbol") : [];
  return {
    columns: columns.length ? ["symbol", ...new Set(columns)] : SHOWN,
    sort: BY_NAME.has(given.sort) ? given.sort : DEFAULT.sort,
    descending: given.descending === true,
    group: Object.hasOwn(GROUPS, given.group) ? given.group : DEFAULT.group,
    filter: typeof given.filter === "string" ? given.filter.slice(0, 200) : "",
    pinned: Array.isArray(given.pinned) ? given.pinned.filter((symbol) => typeof symbol === "string").slice(0, MOST_PINNED) : [],
  };
}

/** The named layouts, and the one that is shown. */
export class Layouts {
  /** @param {{getItem: Function, setItem: Function}|null} storage null or one that throws: the layouts last until the page is closed */
  constructor(storage) {
    this.storage = storage;
    const kept = this._read();
    this.shown = checked(kept.shown);
    this.named = new Map(Object.entries(kept.named ?? {}).slice(0, MOST_LAYOUTS).map(([name, layout]) => [name, checked(layout)]));
  }

  /** Change parts of the shown layout. */
  change(part) {
    this.shown = checked({ ...this.shown, ...part });
    this._write();
  }

  /** Keep the shown layout under a name; returns why not, or "". */
  save(name) {
    const trimmed = name.trim();
    if (!trimmed || trimmed.length > 60) return "a name has 1 to 60 characters";
    if (!this.named.has(trimmed) && this.named.size >= MOST_LAYOUTS) return `there are ${MOST_LAYOUTS} layouts already; remove one first`;
    this.named.set(trimmed, this.shown);
    this._write();
    return "";
  }

  /** Show a named layout. */
  load(name) {
    if (this.named.has(name)) this.shown = this.named.get(name);
    this._write();
  }

  remove(name) {
    this.named.delete(name);
    this._write();
  }

  _read() {
    try {
      const value = JSON.parse(this.storage.getItem(KEY) ?? "{}");
      return value !== null && typeof value === "object" ? value : {};
    } catch {
      return {};
    }
  }

  _write() {
    try {
      this.storage.setItem(KEY, JSON.stringify({ shown: this.shown, named: Object.fromEntries(this.named) }));
    } catch {
      // without storage the layouts last until the page is closed
    }
  }
}
