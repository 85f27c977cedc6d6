/** The latency from the feed's receipt to the painted frame, and frames per second, in a sliding window. Pure: times are arguments, in ms. */

const WINDOW_MS = 10000;
const SAMPLES = 16384; // 24 displays at 60 states/s for 10 s
const FRAMES = 1024; // 100 frames/s for 10 s

/** The newest values with their times; older ones are overwritten. */
class Ring {
  constructor(size) {
    this.times = new Float64Array(size);
    this.values = new Float64Array(size);
    this.put = 0;
  }

  add(time, value) {
    const at = this.put++ % this.times.length;
    this.times[at] = time;
    this.values[at] = value;
  }

  /** The values since a time, and the time of the first one. */
  since(time) {
    const size = this.times.length;
    const held = Math.min(this.put, size);
    const values = [];
    let first = NaN;
    for (let at = this.put - 1; at >= this.put - held; at--) {
      if (this.times[at % size] < time) break;
      first = this.times[at % size];
      values.push(this.values[at % size]);
    }
    return { values, first };
  }
}

/** Collects latencies and frames. */
export class Latency {
  constructor(windowMs = WINDOW_MS) {
    this.windowMs = windowMs;
    this.samples = new Ring(SAMPLES);
    this.frames = new Ring(FRAMES);
  }

  /** Add the latency of a painted state, in ms since the feed's receipt of its tick. */
  painted(now, latencyMs) {
    this.samples.add(now, latencyMs);
  }

  /** Add a frame, and the number of displays that it drew. */
  frame(now, drawn) {
    this.frames.add(now, drawn);
  }

  /** Delete all samples: those from before the page was hidden are meaningless. */
  reset() {
    this.samples.put = this.frames.put = 0;
  }

  /**
   * @returns {{p50: number, p99: number, max: number, count: number, fps: number, painted: number}} ms, NaN without samples; frames per
   *   second; drawn displays per second
   */
  read(now) {
    const sorted = Float64Array.from(this.samples.since(now - this.windowMs).values).sort();
    const { values, first } = this.frames.since(now - this.windowMs);
    const seconds = (now - first) / 1000;
    return {
      p50: quantile(sorted, 0.5),
      p99: quantile(sorted, 0.99),
      max: sorted.length ? sorted[sorted.length - 1] : NaN,
      count: sorted.length,
      fps: seconds > 0 ? (values.length - 1) / seconds : 0,
      painted: seconds > 0 ? values.reduce((sum, drawn) => sum + drawn, 0) / seconds : 0,
    };
  }
}

/** The value that this share of the sorted values does not exceed. */
export function quantile(sorted, share) {
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] : NaN;
}
