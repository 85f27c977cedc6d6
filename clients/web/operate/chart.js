/** One chart over time, on a canvas: least to greatest as a band, the mean as a line, gaps left empty, and a cursor. */

import { h, setText } from "../dom.js";
import { greatestOf, indexAt, linesOf, scaleOf, segmentsOf, timesOf, valueText } from "./chart_math.js";

const [LEFT, RIGHT, TOP, BOTTOM] = [46, 8, 22, 20];
const HEIGHT = 164;
const COLOURS = ["accent", "down", "up", "warn", "bad", "dim", "ink", "faint"];
const DASHES = [[], [], [], [], [], [4, 3], [2, 2], [6, 2]];

/** One chart. */
export class Chart {
  /**
   * @param {{figure: string, title: string, unit: string, axis: string}} what `unit` follows each value of the legend, `axis` is above the values
   * @param {function(number)} pointed called with the index of a point that the pointer is on
   */
  constructor({ figure, title, unit, axis }, pointed) {
    Object.assign(this, { figure, title, unit, axis, answer: null, lines: [], cursor: null, palette: null });
    this.canvas = h("canvas", { role: "img", "aria-label": title });
    this.legend = h("ul", { class: "legend-list" });
    this.note = h("p", { class: "note" }, "Reading.");
    this.root = h("section", { class: "chart", "aria-label": title }, h("h3", {}, title), this.canvas, this.legend, this.note);
    this.canvas.addEventListener("pointermove", (event) => this._count() && pointed(indexAt(event.offsetX, LEFT, this._width(), this._count())));
  }

  /** Show another course; null for none. */
  show(answer, text) {
    this.answer = answer;
    const { lines, left } = linesOf(answer);
    Object.assign(this, { lines, left });
    setText(this.note, text || (lines.length ? (left ? `and ${left} more with smaller values` : "") : "No values in this time."));
    this.draw();
  }

  /** Move the cursor to a point; null for the newest values. */
  point(at) {
    this.cursor = at;
    this.draw();
  }

  _count() {
    return this.lines[0]?.mean.length ?? 0;
  }

  _width() {
    return this.canvas.clientWidth - LEFT - RIGHT;
  }

  /** Draw everything. */
  draw() {
    this._legend();
    const { canvas, palette } = this;
    canvas.hidden = !this.lines.length;
    const [wide, ratio] = [canvas.clientWidth, devicePixelRatio || 1];
    if (!wide || !palette || !this.lines.length) return;
    [canvas.width, canvas.height] = [Math.round(wide * ratio), Math.round(HEIGHT * ratio)];
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.clearRect(0, 0, wide, HEIGHT);
    const { top, step } = scaleOf(greatestOf(this.lines));
    const place = { x: (at) => LEFT + (at / (this._count() - 1)) * this._width(), y: (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM) };
    this._axes(context, place, top, step);
    this.lines.forEach((line, at) => this._line(context, place, line, palette[COLOURS[at]], DASHES[at]));
    if (this.cursor !== null) {
      context.strokeStyle = palette.ink;
      context.setLineDash([]);
      stroke(context, [[place.x(this.cursor), TOP], [place.x(this.cursor), HEIGHT - BOTTOM]]);
    }
  }

  _axes(context, place, top, step) {
    const { palette, answer } = this;
    Object.assign(context, { font: `11px ${palette.sans}`, fillStyle: palette.dim, strokeStyle: palette.line, lineWidth: 1, textBaseline: "middle" });
    for (let value = 0; value <= top * 1.0001; value += step) {
      stroke(context, [[LEFT, place.y(value)], [LEFT + this._width(), place.y(value)]]);
      context.textAlign = "right";
      context.fillText(valueText(value, ""), LEFT - 6, place.y(value));
    }
    context.textAlign = "left";
    context.fillText(this.axis, 0, 7);
    context.textAlign = "right";
    context.fillText("UTC", LEFT - 6, HEIGHT - 8);
    const end = answer.begin_ms + (this._count() - 1) * answer.step_ms;
    context.textAlign = "center";
    for (const time of timesOf(answer.begin_ms, end, Math.max(2, Math.floor(this._width() / 70)))) {
      const x = place.x((time - answer.begin_ms) / answer.step_ms);
      if (x > LEFT + 12 && x < LEFT + this._width() - 12) context.fillText(new Date(time).toISOString().slice(11, 16), x, HEIGHT - 8);
    }
  }

  _line(context, { x, y }, { least, mean, greatest }, colour, dash) {
    Object.assign(context, { strokeStyle: colour, fillStyle: colour, lineWidth: 1.5 });
    for (const part of segmentsOf(mean)) {
      context.globalAlpha = 0.18;
      context.beginPath();
      part.forEach((at) => context.lineTo(x(at), y(greatest[at])));
      [...part].reverse().forEach((at) => context.lineTo(x(at), y(least[at])));
      context.fill();
      context.globalAlpha = 1;
      context.setLineDash(dash);
      stroke(context, part.length > 1 ? part.map((at) => [x(at), y(mean[at])]) : [[x(part[0]) - 1, y(mean[part[0]])], [x(part[0]) + 1, y(mean[part[0]])]]);
    }
    context.setLineDash([]);
  }

  /** The names of the lines and their values at the cursor, or the newest ones; the picture's text alternative has them too. */
  _legend() {
    const texts = this.lines.map(({ name, least, mean, greatest }) => {
      const at = this.cursor ?? mean.findLastIndex((value) => value !== null);
      const range = least[at] === greatest[at] ? "" : ` (${valueText(least[at], "")} to ${valueText(greatest[at], "")})`;
      return `${name} ${valueText(mean[at], this.unit)}${range}`;
    });
    if (this.legend.childElementCount !== texts.length) {
      this.legend.replaceChildren(...texts.map((_, at) => h("li", {}, h("span", { class: `key line-${COLOURS[at]}`, "aria-hidden": "true" }), h("span", {}))));
    }
    texts.forEach((text, at) => setText(this.legend.children[at].lastChild, text));
    this.canvas.setAttribute("aria-label", `${this.title}: ${texts.join(", ") || "no values"}`);
  }
}

function stroke(context, points) {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.stroke();
}
