/** Versions of the live configuration, and the difference between two of them. Pure. */

import { exactly } from "../format.js";

/** The values of a document as rows `[scope, key, value]`, in the order of scope and key. */
function valuesOf(document) {
  return Object.entries(document?.scopes ?? {}).flatMap(([scope, values]) => Object.entries(values).map(([key, value]) => [scope, key, value]));
}

/**
 * What differs between two documents, as `[scope, key, before, after]`; undefined: it is not set.
 *
 * @returns {Array[]}
 */
export function differencesOf(before, after) {
  const rows = new Map();
  for (const [scope, key, value] of valuesOf(before)) rows.set(`${scope} ${key}`, [scope, key, value, undefined]);
  for (const [scope, key, value] of valuesOf(after)) {
    const row = rows.get(`${scope} ${key}`) ?? [scope, key, undefined, undefined];
    row[3] = value;
    rows.set(`${scope} ${key}`, row);
  }
  return [...rows.values()].filter(([, , one, other]) => one !== other).sort((one, other) => `${one[0]} ${one[1]}`.localeCompare(`${other[0]} ${other[1]}`));
}

/** A value as it is shown; a dash for a key that is not set. */
export function valueText(value) {
  return value === undefined || value === null ? "default" : String(value);
}

/** The changes of a version in one line: `kind:nepse rate_per_s 2 → 1.5; …`. */
export function changesText(changes, most = 3) {
  const texts = changes.slice(0, most).map(({ scope, key, before, after }) => `${scope} ${key} ${valueText(before)} → ${valueText(after)}`);
  return [...texts, ...(changes.length > most ? [`and ${changes.length - most} more`] : [])].join("; ") || "nothing";
}

/** When a schedule is due, from its arguments. */
export function scheduleText({ at, every_s: every, cron, zone, calendar }) {
  const when = [cron && `cron ${cron}`, every && `every ${exactly(every)}`, at && `${every ? "from" : "at"} ${at}`].filter(Boolean).join(" ");
  return [when, zone && zone !== "UTC" ? zone : "UTC", calendar && `calendar ${calendar}`].filter(Boolean).join(", ");
}
