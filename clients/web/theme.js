/** Light and dark theme: the user's choice, or else the system's; and the colours of canvases, read from the style sheet. */

const KEY = "hulak.theme";
const NAMES = ["surface", "ink", "dim", "faint", "line", "up", "down", "up-faint", "down-faint", "up-trace", "down-trace", "accent", "warn", "band"];

/** Follows the system and the toggle; calls `changed(palette)` at the start and on each change. */
export class Theme {
  constructor(changed) {
    this.changed = changed;
    this.chosen = storedChoice();
    this.system = matchMedia("(prefers-color-scheme: dark)");
    this.system.addEventListener("change", () => this._apply());
    this._apply();
  }

  get dark() {
    return this.chosen ? this.chosen === "dark" : this.system.matches;
  }

  /** Change to the other theme, and store the choice. */
  toggle() {
    this.chosen = this.dark ? "light" : "dark";
    try {
      localStorage.setItem(KEY, this.chosen);
    } catch {
      // without storage the choice lasts until the page is closed
    }
    this._apply();
  }

  _apply() {
    document.documentElement.dataset.theme = this.dark ? "dark" : "light";
    this.changed(readPalette());
  }
}

function storedChoice() {
  try {
    const stored = localStorage.getItem(KEY);
    return stored === "light" || stored === "dark" ? stored : null;
  } catch {
    return null;
  }
}

/** Read the colours and the fonts of the style sheet: `{surface, ink, ..., upFaint, sans, mono}`. */
function readPalette() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  const palette = { sans: read("sans"), mono: read("mono") };
  for (const name of NAMES) palette[name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase())] = read(name);
  return palette;
}
