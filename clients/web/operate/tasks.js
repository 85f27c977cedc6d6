/** The view of tasks: posted ones by state, calls in progress, dead letters to retry and drop; a task with all that is known of it. */

import { byId, chip, cut, h, renew, setText, table } from "../dom.js";
import { age, count } from "../format.js";
import { button, confirmed, each, Poll, say, why } from "./common.js";
import { actionsOf, confirmation, detailOf, matching, moment, OPEN, seconds, TONES } from "./task_rows.js";

const EVERY_MS = 2000;
const PAGE = 100; // rows of a request
const MOST = 5000; // rows that are loaded
const CALLS = "calls"; // of the choice of states: tasks that are not posted
const ALL_OPEN = "open";
const LISTS = [[ALL_OPEN, "not ended"], ["", "all"], ...Object.keys(TONES).map((state) => [state, state === "failed" ? "failed (dead letters)" : state]), [CALLS, "calls in progress"]];
const VERBS = { cancel: "Cancel", retry: "Retry", drop: "Drop" };
const NONE = { [ALL_OPEN]: "No posted task waits or runs.", "": "No task was posted. `hulak task post SERVICE ACTION` posts one.", failed: "No dead letters: no posted task has failed." };
const num = (text) => ({ text, num: true });

/** The view. */
export class Tasks {
  /** @param {{store: object, request: function, offers: function(string): boolean}} page */
  constructor({ store, request, offers }) {
    Object.assign(this, { store, request, offers, rows: [], more: false, pages: 1, chosen: new Set(), detail: null, content: "", isBusy: false, isRead: false });
    this.poll = new Poll(() => this._load(), EVERY_MS);
    this.list = byId("tasks-list");
    this.state = byId("tasks-state");
    this.service = byId("tasks-service");
    this.find = byId("tasks-find");
    this.output = byId("tasks-said");
    this.state.replaceChildren(...LISTS.map(([value, text]) => h("option", { value }, text)));
    for (const field of [this.state, this.service]) field.addEventListener("change", () => this._again());
    this.find.addEventListener("input", () => this._paint());
    byId("tasks-more").addEventListener("click", () => this._further());
    byId("tasks-many").addEventListener("click", (event) => event.target.dataset.action && this._many(event.target.dataset.action));
    byId("task-close").addEventListener("click", () => byId("task").close());
    byId("task").addEventListener("close", () => this._closed());
    byId("task").addEventListener("click", (event) => event.target === byId("task") && byId("task").close());
  }

  /** Called when the view is shown. */
  open() {
    this.poll.soon();
  }

  /** Called twice a second. */
  turn(now) {
    this.poll.turn(now);
  }

  /** The number of tasks by state, from the statistics. */
  paintStats() {
    const { tasks = {}, store = {} } = this.store.stats ?? {};
    const figures = [["queued", tasks.queued], ["running", tasks.running], ["waiting", tasks.waiting], ["done/s", tasks.per_s, 1], ["dead letters", store.dead_letters]];
    renew(byId("tasks-figures"), ...figures.map(([name, value, digits = 0]) => h("div", {}, h("dt", {}, name), h("dd", {}, count(value ?? NaN, digits)))));
    const services = [...new Set([...Object.keys(tasks.attempts ?? {}), ...Object.keys(tasks.services ?? {}), ...(this.store.stats?.workers ?? []).map((row) => row.service)])].sort();
    if (this.services === services.join(" ")) return;
    this.services = services.join(" ");
    const { value } = this.service;
    this.service.replaceChildren(h("option", { value: "" }, "all"), ...services.map((name) => h("option", { value: name, selected: name === value }, name)));
  }

  _again() {
    Object.assign(this, { rows: [], pages: 1, more: false, content: "", isRead: false });
    this.chosen.clear();
    say(this.output, "");
    this._paint();
    this.poll.soon();
  }

  _further() {
    this.pages += 2;
    this.poll.soon();
  }

  async _load() {
    const [state, service, { pages }] = [this.state.value, this.service.value || null, this];
    try {
      const found = state === CALLS ? await this._calls(service, pages) : await this._posted(state, service, pages);
      if (state !== this.state.value || (service ?? "") !== this.service.value) return;
      Object.assign(this, found, { isRead: true });
      if (this.isFailed) say(this.output, "");
      this.isFailed = false;
      this._paint();
    } catch (error) {
      if (error.code === "UNKNOWN_TASK") this.pages = 1; // the last row of a page was deleted meanwhile
      say(this.output, why(error), "bad");
      this.isFailed = true;
    }
    if (this.detail !== null && !this.isBusy) this._show(this.detail, true);
  }

  async _calls(service, pages) {
    const answer = await this.request("calls.list", { ...(service && { service }), limit: Math.min(500, pages * PAGE) });
    return { rows: answer.calls, more: !answer.complete && answer.calls.length < 500 };
  }

  async _posted(state, service, pages) {
    const lists = [];
    for (const single of state === ALL_OPEN ? ["running", "queued", "waiting"] : [state]) lists.push(await this._pages(single, service, pages));
    return { rows: lists.flatMap(({ rows }) => rows).slice(0, MOST), more: lists.some(({ more }) => more) };
  }

  async _pages(state, service, pages) {
    const rows = [];
    for (let page = 0; page < pages && rows.length < MOST; page += 1) {
      const before = rows.at(-1)?.task;
      const some = await this.request("tasks.list", { ...(state && { state }), ...(service && { service }), ...(before && { before }), limit: PAGE });
      rows.push(...some);
      if (some.length < PAGE) return { rows, more: false };
    }
    return { rows, more: rows.length < MOST };
  }

  _paint() {
    const rows = matching(this.rows, this.find.value);
    const isCalls = this.state.value === CALLS;
    const [now, many] = [Date.now(), !isCalls && this.state.value === "failed"];
    byId("tasks-more").hidden = !this.more;
    this._paintMany(rows, many);
    setText(byId("tasks-total"), rows.length === this.rows.length ? count(rows.length) : `${count(rows.length)} of ${count(this.rows.length)}`);
    const content = JSON.stringify([this.state.value, this.find.value, this.isRead, rows, isCalls && Math.floor(now / 1000), [...this.chosen]]);
    if (content === this.content) return; // unchanged rows keep the focus
    this.content = content;
    const focused = document.activeElement?.closest?.("#tasks-list [data-key]")?.dataset.key;
    this.list.replaceChildren(isCalls ? callTable(rows) : this._taskTable(rows, now, many));
    if (focused) this.list.querySelector(`[data-key="${focused}"]`)?.focus();
  }

  _taskTable(rows, now, many) {
    const cells = (row) => [
      h("button", { type: "button", class: "link", "data-key": `show-${row.task}`, "aria-label": `show task ${row.task}`, onclick: () => this._show(row.task) }, `${row.service} ${row.action} `, h("small", {}, row.task.slice(0, 8))),
      chip(row.state, TONES[row.state] ?? "calm"), `${row.attempt}/${row.retries + 1}`, moment(row.posted_ns, now), row.worker || "–", cut(row.retried_as ? `retried; ${row.trouble}` : row.trouble || ""),
      h("span", { class: "actions" }, actionsOf(row, this.offers).map((action) => this._act(action, row))),
      ...(many ? [h("input", { type: "checkbox", "data-key": `mark-${row.task}`, checked: this.chosen.has(row.task), "aria-label": `select task ${row.task}`, onchange: (event) => this._choose(row.task, event.target.checked) })] : []),
    ];
    const heads = ["task", "state", num("attempt"), "posted, UTC", "worker", "trouble", "action", ...(many ? ["selected"] : [])];
    return table("Tasks, the newest first", heads, rows.map(cells), this._none());
  }

  /** Why the list is empty. */
  _none() {
    if (!this.isRead) return "Reading the tasks.";
    return this.rows.length ? "No loaded task has that." : (NONE[this.state.value] ?? `No task is ${this.state.value}.`);
  }

  _act(action, row) {
    return button(VERBS[action], () => this._change(action, row), { "data-key": `${action}-${row.task}`, class: action === "retry" ? "small" : "small danger", "aria-label": `${VERBS[action]} task ${row.task} of ${row.service}` });
  }

  _choose(task, wanted) {
    if (wanted) this.chosen.add(task);
    else this.chosen.delete(task);
    this._paint();
  }

  /** The buttons for all dead letters that are shown, or those that are selected. */
  _paintMany(rows, many) {
    const root = byId("tasks-many");
    const actions = many && rows.length ? ["retry", "drop"].filter((action) => this.offers(`task.${action}`)) : [];
    root.hidden = !actions.length;
    const selected = rows.filter((row) => this.chosen.has(row.task)).length;
    const text = selected ? `${count(selected)} selected` : `all ${count(rows.length)} shown`;
    if (root.dataset.text === text + actions.join("")) return;
    root.dataset.text = text + actions.join("");
    root.replaceChildren(...actions.map((action) => h("button", { type: "button", class: action === "drop" ? "small danger" : "small", "data-action": action }, `${VERBS[action]} ${text}`)));
  }

  async _many(action) {
    const shown = matching(this.rows, this.find.value).filter((row) => row.state === "failed");
    const selected = shown.filter((row) => this.chosen.has(row.task));
    const rows = selected.length ? selected : shown;
    if (!(await confirmed(confirmation(action, rows), VERBS[action]))) return;
    say(this.output, `${VERBS[action]}: ${count(rows.length)} …`);
    const { done, failed } = await each(rows, (row) => this.request(`task.${action}`, { task: row.task }));
    this.chosen.clear();
    say(this.output, failed.length ? `${count(done)} done, ${count(failed.length)} failed: ${why(failed[0])}` : `✓ ${count(done)} ${action === "retry" ? "posted again" : "deleted"}`, failed.length ? "bad" : "good");
    this.poll.soon();
  }

  async _change(action, row) {
    if (action === "drop" && !(await confirmed(confirmation(action, [row]), VERBS[action]))) return;
    try {
      const answer = await this.request(`task.${action}`, { task: row.task });
      const texts = {
        cancel: `✓ task ${row.task.slice(0, 8)} is ${answer?.state}`,
        retry: `✓ ${answer?.new === false ? "was posted again already" : "posted again"} as ${answer?.task?.slice(0, 8)}`,
        drop: answer === false ? "✓ was deleted already" : "✓ deleted",
      };
      say(this.output, texts[action], "good");
      if (action === "drop") byId("task").close();
    } catch (error) {
      say(this.output, why(error), "bad");
    }
    this.poll.soon();
  }

  /** Show a task in the dialog; again while it is open. */
  async _show(id, again = false) {
    this.detail = id;
    this.isBusy = true;
    try {
      const task = await this.request("task.show", { task: id });
      if (this.detail !== id) return;
      this._paintDetail(task);
      if (!again) byId("task").showModal();
    } catch (error) {
      if (!again) {
        this.detail = null;
        say(this.output, why(error), "bad");
      }
    } finally {
      this.isBusy = false;
    }
  }

  _paintDetail(task) {
    const { figures, blocks } = detailOf(task, Date.now());
    const content = JSON.stringify([figures, blocks, task.runs]);
    if (byId("task").dataset.content === content) return;
    byId("task").dataset.content = content;
    setText(byId("task-title"), `${task.service} ${task.action}`);
    byId("task-figures").replaceChildren(...figures.map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text))));
    const runs = task.runs.map((run) => [String(run.attempt), run.worker, seconds(run.after_s), run.run_s === null ? chip("worker lost", "bad") : seconds(run.run_s), run.trouble || ""]);
    byId("task-runs").replaceChildren(table("Attempts", ["attempt", "worker", num("began after"), num("ran"), "trouble"], runs, OPEN.includes(task.state) ? "No attempt has ended yet." : "No times of its attempts were kept."));
    byId("task-blocks").replaceChildren(...blocks.flatMap(({ name, text }) => [h("h3", {}, name), h("pre", { tabindex: "0", role: "region", "aria-label": name }, text)]));
    byId("task-actions").replaceChildren(...actionsOf(task, this.offers).map((action) => this._act(action, task)));
  }

  _closed() {
    const id = this.detail;
    this.detail = null;
    delete byId("task").dataset.content;
    for (const part of ["task-actions", "task-blocks", "task-runs"]) byId(part).replaceChildren();
    this.list.querySelector(`[data-key="show-${id}"]`)?.focus();
  }
}

function callTable(rows) {
  const heads = ["call", "state", num("attempt"), num("age"), num("running for"), "worker", "trouble"];
  const cells = (row) => [`${row.service} ${row.action}`, chip(row.state, TONES[row.state] ?? "calm"), `${row.attempt}/${row.retries + 1}`, age(row.age_s), seconds(row.running_s ?? NaN), row.worker || "–", row.trouble];
  return table("Calls in progress, the oldest first", heads, rows.map(cells), "No call is in progress.");
}
