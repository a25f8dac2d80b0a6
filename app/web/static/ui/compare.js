// Two pictures of one size, one over the other, and a line between them that one moves.

import { addressed, h } from "../dom.js";

/** The element; `show(before, after)` takes blobs. A range input moves the line: pointer, touch and keys alike. */
export function compare(alt, { left = "before", right = "after" } = {}) {
  const before = h("img", { class: "before", alt: "" });
  const after = h("img", { alt });
  const handle = h("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": `How much of ${left} is shown, in per cent` });
  const element = h(
    "div",
    { class: "compare", hidden: true },
    after,
    before,
    h("span", { class: "edge" }),
    h("span", { class: "tag left" }, left),
    h("span", { class: "tag right" }, right),
    handle,
  );
  handle.addEventListener("input", () => element.style.setProperty("--at", `${handle.value}%`));
  return {
    element,
    show(one, other) {
      addressed(before, one);
      addressed(after, other);
      element.hidden = false;
    },
  };
}
