/**
 * The scale of a picture: it widens at once, and narrows only when less has sufficed for a while.
 *
 * A display shows a part of the average daily range, in tiers. A price beside the border of two tiers changes the tier with each tick: the
 * picture would jump from one scale to the other, too fast to be read.
 */

export const NARROWS_MS = 2000;

/** One picture's scale. */
export class Scale {
  constructor() {
    this.low = this.high = NaN; // prices at its edges
    this.since = NaN; // ms, when less began to suffice; NaN: it does not
  }

  /** Whether less suffices, but not for long enough: it will narrow without a further state. */
  get isWaiting() {
    return !Number.isNaN(this.since);
  }

  /**
   * The scale for a state's range at `now` in ms: the range itself, or the wider one that is still kept.
   *
   * @returns {{low: number, high: number}} not numbers without a range
   */
  of(low, high, now) {
    const isNarrower = low !== null && high !== null && low >= this.low && high <= this.high && high - low < this.high - this.low;
    if (isNarrower && !(now - this.since >= NARROWS_MS)) {
      if (Number.isNaN(this.since)) this.since = now;
    } else {
      Object.assign(this, { low, high, since: NaN });
    }
    return { low: this.low, high: this.high };
  }
}
