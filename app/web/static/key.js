// A service with keys asks for one once; it stays in this tab, and goes with it.

import { h } from "./dom.js";

/** What a header can carry: whatever is pasted along with a key, and often isn't seen, can't. */
const KEY = "\\s*[\\x21-\\x7e]+\\s*";

let open = null;

/** Asks for a key; whether one was given. Questions that come meanwhile wait for the same answer. */
export function wanted() {
  open ??= dialog().finally(() => (open = null));
  return open;
}

function dialog() {
  return new Promise((resolve) => {
    const field = h("input", { type: "password", id: "key", autocomplete: "off", required: true, spellcheck: "false", pattern: KEY, title: "Letters, digits and signs of ASCII alone: nothing else can be sent as a key." });
    const box = h(
      "dialog",
      { class: "card", "aria-labelledby": "key-title" },
      h(
        "form",
        { method: "dialog" },
        h("h2", { id: "key-title" }, "This service wants a key"),
        h("p", {}, sessionStorage.getItem("key") ? "The one given isn't valid. " : "", "It is kept in this tab alone."),
        h("label", { for: "key" }, "Key"),
        field,
        h("p", { class: "row" }, h("button", { value: "use", class: "main" }, "Use it"), h("button", { value: "", formnovalidate: true }, "Not now")),
      ),
    );
    box.addEventListener("close", () => {
      if (box.returnValue === "use") sessionStorage.setItem("key", field.value.trim());
      box.remove();
      resolve(box.returnValue === "use");
    });
    document.body.append(box);
    box.showModal();
  });
}
