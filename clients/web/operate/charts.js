/** The view of charts: all figures over the last hour or day, on one time axis with one cursor. */

import { byId, setText } from "../dom.js";
import { Chart } from "./chart.js";
import { pointTime } from "./chart_math.js";
import { Poll, why } from "./common.js";

const POINTS = 240;
const EVERY_MS = { hour: 5000, day: 60_000 };
const FIGURES = [
  { figure: "ticks", title: "Ticks per second", unit: "", axis: "ticks/s" },
  { figure: "feed_latency", title: "Latency, feed to broker", unit: "ms", axis: "ms" },
  { figure: "display_latency", title: "Latency, feed to display, slowest worker", unit: "ms", axis: "ms" },
  { figure: "queue", title: "Tasks in the queue", unit: "", axis: "tasks" },
  { figure: "tasks", title: "Tasks per second", unit: "", axis: "tasks/s" },
  { figure: "run_times", title: "Run time of tasks, by action", unit: "ms", axis: "ms" },
  { figure: "memory", title: "Memory, by process", unit: "MB", axis: "MB" },
  { figure: "repairs", title: "Gaps and repairs", unit: "", axis: "per second" },
  { figure: "slow_subscribers", title: "Slow subscribers", unit: "", axis: "subscribers" },
];

/** The view. */
export class Charts {
  /** @param {function(string, object): Promise} request */
  constructor(request) {
    Object.assign(this, { request, cursor: null, answer: null });
    this.charts = FIGURES.map((what) => new Chart(what, (at) => this._point(at)));
    this.span = byId("charts-span");
    this.slider = byId("charts-cursor");
    this.poll = new Poll(() => this._load(), EVERY_MS.hour);
    byId("charts-list").replaceChildren(...this.charts.map(({ root }) => root));
    byId("charts-list").addEventListener("pointerleave", () => this._point(null));
    this.span.addEventListener("change", () => this.open());
    this.slider.max = String(POINTS - 1);
    this.slider.addEventListener("input", () => this._point(Number(this.slider.value)));
    this.slider.addEventListener("keydown", (event) => event.key === "Escape" && this._point(null));
    addEventListener("resize", () => this._draw());
  }

  open() {
    this.poll.everyMs = EVERY_MS[this.span.value];
    this.poll.soon();
    this._draw();
  }

  turn(now) {
    this.poll.turn(now);
  }

  recolour(palette) {
    for (const chart of this.charts) chart.palette = palette;
    this._draw();
  }

  _draw() {
    if (!byId("charts").hidden) for (const chart of this.charts) chart.draw();
  }

  _point(at) {
    this.cursor = at;
    if (at !== null) this.slider.value = String(at);
    for (const chart of this.charts) chart.point(at);
    this._say();
  }

  async _load() {
    const span = this.span.value;
    for (const chart of this.charts) {
      try {
        const answer = await this.request("history.read", { figure: chart.figure, span, points: POINTS });
        if (span !== this.span.value) return;
        this.answer = answer;
        chart.show(answer, "");
      } catch (error) {
        chart.show(null, error.code === "UNKNOWN_FIGURE" ? "No values since the gateway began to keep them." : why(error));
        if (error.code === "NOT_CONNECTED") return;
      }
    }
    this._say();
  }

  _say() {
    const { answer, cursor } = this;
    if (!answer) return;
    const since = `Kept since ${new Date(answer.since_ms).toISOString().slice(0, 16).replace("T", " ")} UTC.`;
    const time = cursor === null ? `The newest values. ${since}` : pointTime(answer.begin_ms, answer.step_ms, cursor);
    setText(byId("charts-time"), time);
    this.slider.setAttribute("aria-valuetext", cursor === null ? "the newest values" : time);
  }
}
