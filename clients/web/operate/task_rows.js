/** Rows of tasks as the broker lists them: filters, texts, and which actions a row offers. Pure. */

import { age } from "../format.js";

export const OPEN = ["queued", "running", "waiting"]; // states of tasks that have not ended
export const TONES = { queued: "calm", running: "good", waiting: "warn", done: "good", failed: "bad", expired: "warn", cancelled: "calm", unreadable: "bad" };
const DAY_MS = 86_400_000;

/** The rows whose service, action, id, worker or trouble have a text; all for an empty text. */
export function matching(rows, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return rows;
  return rows.filter((row) => [row.task, row.service, row.action, row.worker, row.trouble].some((value) => String(value ?? "").toLowerCase().includes(wanted)));
}

/** The actions of a task that this client may do: `cancel` before its end, `retry` and `drop` of a dead letter. */
export function actionsOf(row, offers) {
  const possible = OPEN.includes(row.state) ? ["cancel"] : row.state === "failed" ? ["retry", "drop"] : row.state === "unreadable" ? ["drop"] : [];
  return possible.filter((action) => offers(`task.${action}`));
}

/** The time of an event in ns since 1970 UTC: with the day if it is not today's; a dash for none. */
export function moment(ns, nowMs) {
  if (!(ns > 0)) return "–";
  const text = new Date(ns / 1e6).toISOString();
  return nowMs - ns / 1e6 < DAY_MS && text.slice(0, 10) === new Date(nowMs).toISOString().slice(0, 10) ? text.slice(11, 19) : `${text.slice(5, 10)} ${text.slice(11, 19)}`;
}

/** A value as indented JSON, cut to a number of characters. */
export function shown(value, most = 20_000) {
  const text = typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? "nil");
  return text.length > most ? `${text.slice(0, most)}\n… (${text.length.toLocaleString("en")} characters)` : text;
}

/** A time in seconds with three figures: `0.25 s`, `850 ms`, `2 min`. */
export function seconds(value) {
  if (!Number.isFinite(value)) return "–";
  if (value < 1) return `${value < 0.01 ? (value * 1000).toFixed(1) : Math.round(value * 1000)} ms`;
  return value < 9.95 ? `${value.toFixed(2)} s` : age(value);
}

/**
 * The texts of a task's detail: pairs of name and text, then blocks of text with their names.
 *
 * @param {object} task the answer to `task.show`
 * @returns {{figures: string[][], blocks: {name: string, text: string}[]}}
 */
export function detailOf(task, nowMs) {
  const at = (ns) => moment(ns, nowMs);
  const figures = [
    ["task", task.task], ["service", task.service], ["action", task.action || "–"], ["state", task.state], ["attempt", `${task.attempt} of ${task.retries + 1}`],
    ["priority", ["high", "normal", "low"][task.priority] ?? String(task.priority)], ["key", task.key ?? "–"], ["worker", task.worker || "–"],
    ["posted", at(task.posted_ns)], ["ended", at(task.ended_ns)], ["expires", at(task.expires_ns)],
    ...(OPEN.includes(task.state) ? [["next attempt", task.state === "waiting" ? at(task.due_ns) : "–"], ["running for", seconds(task.running_s ?? NaN)]] : []),
    ...(task.retried_as ? [["retried as", task.retried_as]] : []),
  ];
  const { traceback, troubles, attempts, ...details } = task.error?.details ?? {};
  const blocks = [{ name: "Arguments", text: task.args === null ? `${task.args_bytes.toLocaleString("en")} bytes, not shown` : shown(task.args) }];
  if (task.state === "done") blocks.push({ name: "Result", text: resultOf(task) });
  if (task.error) blocks.push({ name: "Error", text: `${task.error.code}: ${task.error.text}` });
  else if (task.trouble) blocks.push({ name: "Last trouble", text: task.trouble });
  if (traceback) blocks.push({ name: "Traceback", text: traceback });
  if (Object.keys(details).length) blocks.push({ name: "Details", text: shown(details) });
  return { figures, blocks };
}

function resultOf(task) {
  if (!task.kept) return "no longer kept";
  return "value" in task && (task.value !== null || task.answer_bytes < 2) ? shown(task.value) : `${task.answer_bytes.toLocaleString("en")} bytes, not shown`;
}

/** The sentence that a change of many dead letters asks for, with their number. */
export function confirmation(action, rows) {
  const services = [...new Set(rows.map((row) => row.service))];
  const of = services.length === 1 ? ` of ${services[0]}` : "";
  return `${action === "retry" ? "Post" : "Delete"} ${rows.length.toLocaleString("en")} dead ${rows.length === 1 ? "letter" : "letters"}${of}${action === "retry" ? " again" : ""}?`;
}
