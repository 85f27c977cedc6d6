/** A drawing context that notes what is done with it, and a palette whose colours are their names. */

export const palette = Object.fromEntries(
  ["surface", "ink", "dim", "faint", "line", "up", "down", "upFaint", "downFaint", "upTrace", "downTrace", "accent", "warn", "band", "sans", "mono"].map((name) => [name, name]),
);

/** Notes calls as `[method, colour, ...arguments]`; the colour is the fill's, of strokes the stroke's. */
export function notingContext() {
  const calls = [];
  const target = { calls, globalAlpha: 1 };
  return new Proxy(target, {
    get(object, name) {
      if (name in object) return object[name];
      return (...given) => {
        calls.push([name, name.startsWith("stroke") ? object.strokeStyle : object.fillStyle, ...given]);
        return { width: 6 * String(given[0]).length };
      };
    },
  });
}

/** A display's state as it is published. */
export function someState(more = {}) {
  return {
    display: "eurusd-1", symbol: "EURUSD", digits: 5, ready: true, catching_up: false, number: 7, ticks: 100, price: 1.1, bid: 1.1, ask: 1.10008,
    mid: 1.10004, spread: 0.00008, direction: "up", open: 1.099, high: 1.102, low: 1.098, adr_high: 1.103, adr_low: 1.095, adr_source: "given",
    adr_tier: 0.5, visual_high: 1.104, visual_low: 1.096, volatility: 1.5, volatility_intensity: 0.43, ticks_per_s: 12, flash: null,
    deflection: { up: 30, down: 0, at: 1 }, twap: 1.0995, poc: 1.1005, value_area: { high: 1.101, low: 1.099 }, config_version: 2,
    timestamp: 1700000000000, received_ms: 5000, ...more,
  };
}
