/**
 * The animation loop: each frame draws the changed pictures, those on the screen and the longest waiting first.
 *
 * A frame stops at its time budget; the other pictures wait for the next frame, and are drawn in their newest state. A slow machine
 * therefore draws fewer pictures per second and never falls behind.
 */

import { Ground } from "./ground.js";
import { layout } from "./layout.js";
import { fontsFor, paintFront, viewOf } from "./paint.js";
import { flashStrength } from "./paint_flash.js";
import { Scale } from "./scale.js";
import { marketOf, nameOf } from "./store.js";

const BUDGET_MS = 12;
const NEARBY = "1000px"; // around the screen; canvases beyond it are hidden: without a GPU, a browser copies every shown one in every frame
const CARDS_PER_GROUND = 24; // pictures that are behind, per old ground that a frame paints

/** A canvas that shows a display. */
export class Picture {
  /** @param {HTMLCanvasElement} canvas; @param {boolean} measured whether its latency counts */
  constructor(canvas, id, measured) {
    Object.assign(this, { canvas, id, measured, width: 0, height: 0, ratio: 1, visible: false, counts: false, mark: "" });
    this.context = canvas.getContext("2d", { alpha: false });
    this.ground = new Ground(document.createElement("canvas"));
    this.scale = new Scale();
    this.flashId = null;
    this.flashAt = -Infinity;
    this.flash = 0; // as drawn
  }

  /** Set the size in CSS pixels, and the device pixels per CSS pixel. */
  resize(width, height, ratio) {
    [this.width, this.height, this.ratio, this.fonts] = [width, height, ratio, null];
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    this.ground.expire();
    this.blank = true;
  }
}

/** Draws pictures; see the module. */
export class Loop {
  /**
   * @param {object} store
   * @param {import("./latency.js").Latency} latency
   * @param {{matches: boolean}} still whether motion is unwanted
   */
  constructor(store, latency, still) {
    Object.assign(this, { store, latency, still, palette: null, table: () => 0 }); // `table` draws what the table shows; returns the number of its rows
    this.pictures = new Map(); // canvas -> picture
    this.byDisplay = new Map(); // id -> pictures
    this.waiting = new Set();
    this.flashing = new Set();
    this.behind = new Set(); // their state is newer than their ground
    this.grounds = 0; // that may still be painted in this frame because they are old
    this.sizes = new ResizeObserver((entries) => entries.forEach((entry) => this._resized(entry)));
    this.sights = new IntersectionObserver((entries) => entries.forEach((entry) => this._seen(entry)), { rootMargin: "160px" });
    this.nearby = new IntersectionObserver((entries) => entries.forEach(showNearby), { rootMargin: NEARBY });
    this._frame = this._frame.bind(this);
  }

  /** Start the loop; it runs for the life of the page. */
  start() {
    document.addEventListener("visibilitychange", () => this.latency.reset());
    requestAnimationFrame(this._frame);
  }

  /** Show a display on a canvas. */
  add(canvas, id, measured = true) {
    const picture = new Picture(canvas, id, measured);
    this.pictures.set(canvas, picture);
    if (!this.byDisplay.has(id)) this.byDisplay.set(id, new Set());
    this.byDisplay.get(id).add(picture);
    this.sizes.observe(canvas);
    this.sights.observe(canvas);
    this.nearby.observe(canvas);
    return picture;
  }

  /** Stop drawing on a canvas. */
  remove(canvas) {
    const picture = this.pictures.get(canvas);
    this.sizes.unobserve(canvas);
    this.sights.unobserve(canvas);
    this.nearby.unobserve(canvas);
    this.pictures.delete(canvas);
    this.waiting.delete(picture);
    this.flashing.delete(picture);
    this.behind.delete(picture);
    this.byDisplay.get(picture.id).delete(picture);
    if (!this.byDisplay.get(picture.id).size) this.byDisplay.delete(picture.id);
  }

  /** Mark a display for drawing after a new state. */
  changed(id) {
    const display = this.store.displays.get(id);
    for (const picture of this.byDisplay.get(id) ?? []) {
      this._startFlash(picture, display);
      picture.counts = picture.visible && picture.measured && display.moved;
      if (picture.visible) this.waiting.add(picture);
    }
  }

  /** Set the reason why the pictures of a display are out of date; empty when they are not. */
  mark(id, text) {
    for (const picture of this.byDisplay.get(id) ?? []) {
      if (picture.mark === text) continue;
      picture.mark = text;
      if (picture.visible) this.waiting.add(picture);
    }
  }

  /** Mark the displays of a symbol for drawing, after a change of its bars. */
  changedSymbols(symbols) {
    for (const picture of this.pictures.values()) {
      if (!symbols.has(this.store.displays.get(picture.id)?.state.symbol)) continue;
      picture.ground.expire();
      if (picture.visible) this.waiting.add(picture);
    }
  }

  /** Mark all displays for drawing, after a change that concerns many. */
  changedAll() {
    for (const picture of this.pictures.values()) if (picture.visible) this.waiting.add(picture);
  }

  /** Draw all pictures again, in these colours. */
  recolour(palette) {
    this.palette = palette;
    for (const picture of this.pictures.values()) {
      picture.fonts = null;
      picture.ground.expire();
      this.waiting.add(picture);
    }
  }

  _startFlash(picture, display) {
    const id = display.state.flash?.id ?? null;
    if (id !== null && id !== picture.flashId && display.moved) {
      picture.flashAt = performance.now();
      this.flashing.add(picture);
    }
    picture.flashId = id ?? picture.flashId;
  }

  _resized(entry) {
    const picture = this.pictures.get(entry.target);
    const { width, height } = entry.contentRect;
    if (!picture || !width) return; // without a width, its view is closed: it is shown as it was when the view is opened
    const ratio = devicePixelRatio || 1;
    if (width !== picture.width || height !== picture.height || ratio !== picture.ratio) picture.resize(width, height, ratio);
    this.waiting.add(picture); // a resized canvas is black: it is drawn once, also outside of the screen
  }

  _seen(entry) {
    const picture = this.pictures.get(entry.target);
    if (!picture) return;
    picture.visible = entry.isIntersecting;
    picture.counts = false;
    if (picture.visible) this.waiting.add(picture);
    else if (!picture.blank) this._leaveScreen(picture);
  }

  _leaveScreen(picture) {
    this.waiting.delete(picture);
    this.behind.delete(picture);
    picture.ground.release();
  }

  _frame() {
    const began = performance.now();
    const drawn = [];
    this.grounds = Math.ceil(this.behind.size / CARDS_PER_GROUND);
    for (const picture of this._due()) {
      this.waiting.delete(picture);
      if (!this._draw(picture, began)) continue;
      drawn.push(picture);
      if (performance.now() - began > BUDGET_MS) break;
    }
    const ended = performance.now();
    for (const picture of drawn) this._measure(picture, ended);
    this.latency.frame(began, drawn.length + this.table(began));
    this._keepFlashing(ended);
    for (const picture of this.behind) if (picture.visible && picture.ground.isOld(ended)) this.waiting.add(picture);
    requestAnimationFrame(this._frame);
  }

  /** The waiting pictures, those on the screen before the others: after a change of the size of the window all wait. */
  *_due() {
    for (const picture of this.waiting) if (picture.visible) yield picture;
    yield* this.waiting;
  }

  /** Draw a picture; false without a size, or when its display is removed. */
  _draw(picture, now) {
    const display = this.store.displays.get(picture.id);
    if (!display || !this.palette || !picture.width) return false;
    if (picture.ratio !== (devicePixelRatio || 1)) picture.resize(picture.width, picture.height, devicePixelRatio || 1);
    const { context, ratio } = picture;
    picture.blank = false;
    const view = viewOf(this._content(picture, display, now));
    this._prepareGround(picture, view, now);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = 1;
    context.drawImage(picture.ground.canvas, 0, 0);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    picture.flash = view.flash;
    paintFront(context, view);
    if (!picture.visible) this._leaveScreen(picture);
    return true;
  }

  /** Paint the ground of a picture if it is wrong, or old and there is time in this frame. */
  _prepareGround(picture, view, now) {
    const { ground } = picture;
    const isWrong = ground.isWrong(view);
    if (!isWrong && !(this.grounds > 0 && ground.isOld(now))) {
      this.behind.add(picture);
      return;
    }
    this.grounds -= 1;
    if (picture.scale.isWaiting) this.behind.add(picture);
    else this.behind.delete(picture);
    ground.paint({ ...view, spark: this.store.sparks.line(view.state.symbol) }, now, picture.canvas);
  }

  /** The content of a picture with the places of all; null before its first drawing. */
  view(canvas) {
    const picture = this.pictures.get(canvas);
    const display = this.store.displays.get(picture?.id);
    return display && picture.fonts ? viewOf(this._content(picture, display, performance.now())) : null;
  }

  _content(picture, display, now) {
    const { profile } = display;
    const { context, width, height, ratio, mark } = picture;
    const state = scaled(display.state, picture.scale, now);
    const { palette } = this;
    if (!picture.fonts) {
      picture.box = layout(width, height);
      picture.fonts = fontsFor(picture.box, palette, (font, text) => measure(context, font, text));
    }
    const { fonts, box } = picture;
    const flash = flashStrength(now - picture.flashAt, this.still.matches);
    const [name, market] = [nameOf(display), marketOf(this.store, display)];
    return { state, profile, name, market, width, height, palette, fonts, box, mark, flash, ratio };
  }

  _measure(picture, ended) {
    if (!picture.counts) return;
    picture.counts = false;
    const received = this.store.displays.get(picture.id).state.received_ms;
    this.latency.painted(ended, performance.timeOrigin + ended - received);
  }

  /** Draw each step of a flash until it has faded, and once more without it. */
  _keepFlashing(now) {
    for (const picture of this.flashing) {
      const strength = flashStrength(now - picture.flashAt, this.still.matches);
      if (picture.flash !== strength && picture.visible) this.waiting.add(picture);
      if (picture.flash === 0 && strength === 0) this.flashing.delete(picture);
    }
  }
}

function showNearby({ target, isIntersecting }) {
  target.style.visibility = isIntersecting ? "" : "hidden";
}

/** A state with the scale of its picture. */
function scaled(state, scale, now) {
  const { low, high } = scale.of(state.visual_low, state.visual_high, now);
  return Object.is(low, state.visual_low) && Object.is(high, state.visual_high) ? state : { ...state, visual_low: low, visual_high: high };
}

function measure(context, font, text) {
  context.font = font;
  return context.measureText(text).width;
}
