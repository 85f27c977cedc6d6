/** What a layout of the table has: columns, sort, group, filter and pinned symbols. Pure. */

import { BOOLEAN, TEXT, TEXTS } from "../layouts/own.js";
import { BY_NAME, GROUPS, SHOWN } from "./columns.js";

const MOST_PINNED = 1000;
export const DEFAULT = { columns: SHOWN, sort: "symbol", descending: false, group: "none", filter: "", pinned: [] };

/** @type {import("../layouts/own.js").Form} */
export const FORM = {
  view: "table",
  key: "hulak.table",
  parts: { columns: TEXTS, sort: TEXT, descending: BOOLEAN, group: TEXT, filter: TEXT, pinned: TEXTS },
  checked(given) {
    const columns = Array.isArray(given.columns) ? given.columns.filter((name) => BY_NAME.has(name) && name !== "symbol") : [];
    return {
      columns: columns.length ? ["symbol", ...new Set(columns)] : SHOWN,
      sort: BY_NAME.has(given.sort) ? given.sort : DEFAULT.sort,
      descending: given.descending === true,
      group: typeof given.group === "string" && Object.hasOwn(GROUPS, given.group) ? given.group : DEFAULT.group,
      filter: typeof given.filter === "string" ? given.filter.slice(0, 200) : "",
      pinned: Array.isArray(given.pinned) ? given.pinned.filter((symbol) => typeof symbol === "string").slice(0, MOST_PINNED) : [],
    };
  },
};
