// A picture that was made here, with what one does with it: keep, download, link, more of its kind.

import { filename } from "../api.js";
import { addressed, h } from "../dom.js";
import { say } from "../status.js";

/**
 * A tile that waits for its picture: `fill({ blob, alt, title, left, right, acts })` puts it there, `filled` says whether
 * it was, `release()` lets it go.
 */
export function tile(label) {
  const picture = h("div", { class: "blank" });
  const caption = h("figcaption", {}, h("span", {}, label));
  const element = h("figure", { class: "tile" }, picture, caption);
  let image = null;
  return {
    element,
    fill({ blob, alt, title, left, right, acts = [] }) {
      image = addressed(h("img", { alt, draggable: "true" }), blob);
      image.addEventListener("load", () => image.classList.toggle("small", image.naturalWidth <= 128), { once: true });
      picture.replaceWith(image);
      caption.replaceChildren(...[title && h("strong", {}, title), h("span", {}, left), h("span", {}, right ?? "")].filter(Boolean));
      if (acts.length) element.append(h("div", { class: "acts" }, acts));
    },
    get filled() {
      return image !== null;
    },
    release() {
      if (image) URL.revokeObjectURL(image.src);
      element.remove();
    },
  };
}

/** A button of a tile. */
export function act(text, label, onclick) {
  return h("button", { type: "button", title: label, "aria-label": label, onclick }, text);
}

/** Saves a blob under a name. */
export function save(blob, name) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Saves an answer under the name that the service gave it. */
export async function saved(response, otherwise) {
  save(await response.blob(), filename(response, otherwise));
}

/** Copies the address of this page with another hash. */
export async function copy(hash) {
  const url = new URL(hash, location.href);
  try {
    await navigator.clipboard.writeText(url.href);
    say("The link is copied. It draws this picture again.");
  } catch {
    prompt("Copy this link:", url.href);
  }
}
