/** The login: a form that exchanges a token for a cookie, and the button that ends the login. */

import { byId, setText } from "./dom.js";

const SPELLED = /^[!-~]+$/; // what a header can hold

/** Why a login failed, for people; empty when it has succeeded. */
export function loginText(status, role, text, retryAfter) {
  if (status === 200) return role === "metrics" ? "This token is for monitoring only. The page needs one with the role view or operate." : "";
  if (status === 429) return `Too many wrong tokens from this address. Try again in ${retryAfter || "some"} s.`;
  if (status === 401) return "The token is wrong, revoked or expired.";
  return text.trim() || `The gateway answered ${status}.`;
}

/** The form and the button. */
export class Login {
  /** @param {{fetch: function(string, object): Promise, changed: function()}} tools `changed` is called after a login and a logout */
  constructor({ fetch, changed }) {
    Object.assign(this, { fetch, changed });
    this.section = byId("login");
    this.field = byId("login-token");
    this.output = byId("login-said");
    this.button = byId("logout");
    byId("login-form").addEventListener("submit", (event) => this._submit(event));
    this.button.addEventListener("click", () => this._end());
  }

  /** Show the form in place of the content, or the content; with the form goes the reason of the gateway. */
  show(needed, why) {
    if (this.section.hidden !== needed) return;
    this.section.hidden = !needed;
    document.documentElement.toggleAttribute("data-locked", needed);
    setText(byId("login-why"), why && `${why[0].toUpperCase()}${why.slice(1)}.`);
    setText(this.output, "");
    if (!needed) return;
    byId("detail").close(); // it would cover the form
    this.field.focus();
  }

  /** Show the name of the login; without one there is nothing to end. */
  welcome({ name, role }) {
    this.button.hidden = !name;
    this.button.title = name ? `${name}, with the role ${role}` : "";
  }

  async _submit(event) {
    event.preventDefault();
    const token = this.field.value.trim();
    const said = SPELLED.test(token) ? await this._exchange(token) : "A token has letters, digits, - and _ only.";
    setText(this.output, said);
    this.field.setAttribute("aria-invalid", String(Boolean(said)));
    if (said) {
      this.field.select();
      return;
    }
    this.field.value = "";
    this.changed();
  }

  async _exchange(token) {
    setText(this.output, "…");
    try {
      const answer = await this.fetch("/login", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
      const text = await answer.text();
      return loginText(answer.status, answer.status === 200 ? JSON.parse(text).role : "", text, answer.headers.get("Retry-After"));
    } catch {
      return "The gateway cannot be reached.";
    }
  }

  async _end() {
    await this.fetch("/logout", { method: "POST" }).catch(() => null); // without a gateway the page shows that
    this.changed();
  }
}
