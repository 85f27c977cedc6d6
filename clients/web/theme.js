/** Light and dark: the system's choice unless a person chose; and the colours that canvases draw with, read from the style sheet. */

const KEPT = "hulak.theme";
const NAMES = ["surface", "ink", "dim", "faint", "line", "up", "down", "up-faint", "down-faint", "accent", "warn", "band"];

/** Follows the system and the toggle; calls `changed(palette)` at first and on each change. */
export class Theme {
  constructor(changed) {
    this.changed = changed;
    this.chosen = remembered();
    this.system = matchMedia("(prefers-color-scheme: dark)");
    this.system.addEventListener("change", () => this._apply());
    this._apply();
  }

  get dark() {
    return this.chosen ? this.chosen === "dark" : this.system.matches;
  }

  /** Change to the other one, and remember it. */
  toggle() {
    this.chosen = this.dark ? "light" : "dark";
    try {
      localStorage.setItem(KEPT, this.chosen);
    } catch {
      // a browser that keeps nothing forgets the choice: no harm
    }
    this._apply();
  }

  _apply() {
    document.documentElement.dataset.theme = this.dark ? "dark" : "light";
    this.changed(readPalette());
  }
}

function remembered() {
  try {
    const kept = localStorage.getItem(KEPT);
    return kept === "light" || kept === "dark" ? kept : null;
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
