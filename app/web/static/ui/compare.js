// Two pictures of one size, one over the other, and a line between them that one moves.

import { addressed, h } from "../dom.js";

/**
 * The element; `show(before, after, share = 1)` takes blobs, and shows so much of the second over the first.
 *
 * The line follows a pointer that is pressed anywhere, a double click puts it into the middle. For keys and screen
 * readers it is a range input: arrows, Page Up and Down, Home and End.
 */
export function compare(alt, { left = "before", right = "after" } = {}) {
  const under = h("img", { class: "under", alt: "" });
  const before = h("img", { class: "before", alt: "" });
  const after = h("img", { class: "after", alt });
  const handle = h("input", { type: "range", min: 0, max: 100, step: 1, value: 50, "aria-label": `How much of ${left} is shown, in per cent` });
  const element = h(
    "div",
    { class: "compare", hidden: true },
    under,
    after,
    before,
    h("span", { class: "edge" }, h("span", { class: "knob", "aria-hidden": "true" }, "‹ ›")),
    h("span", { class: "tag left" }, left),
    h("span", { class: "tag right" }, right),
    handle,
  );
  const put = (share) => {
    handle.value = share;
    element.style.setProperty("--at", `${share}%`);
    element.dataset.end = share < 12 ? "left" : share > 88 ? "right" : "";
  };
  const follow = (event) => {
    const { left: start, width } = element.getBoundingClientRect();
    put(Math.min(100, Math.max(0, (100 * (event.clientX - start)) / width)));
  };
  handle.addEventListener("input", () => put(Number(handle.value)));
  element.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault(); // no picture is dragged away, and the focus stays with the handle
    handle.focus({ preventScroll: true, focusVisible: false });
    element.setPointerCapture(event.pointerId);
    follow(event);
  });
  element.addEventListener("pointermove", (event) => element.hasPointerCapture(event.pointerId) && follow(event));
  element.addEventListener("dblclick", () => put(50));
  after.addEventListener("load", () => element.style.setProperty("--ratio", after.naturalWidth / after.naturalHeight));
  put(50);
  let shown = {};
  return {
    element,
    show(one, other, share = 1) {
      if (one !== shown.one) for (const image of [before, under]) addressed(image, one);
      if (other !== shown.other) addressed(after, other);
      shown = { one, other };
      after.style.opacity = share;
      element.hidden = false;
    },
    set alt(text) {
      after.alt = text;
    },
    release() {
      element.hidden = true;
      for (const image of [under, before, after]) URL.revokeObjectURL(image.src);
      shown = {};
    },
  };
}
