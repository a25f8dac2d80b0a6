// The frame of the page: which room is shown, the theme, and the strip under the hood.

import { h } from "./dom.js";
import { fail, quiet } from "./status.js";

const ROOMS = {
  generate: ["Generate", () => import("./views/generate.js")],
  walk: ["Walk", () => import("./views/walk.js")],
  translate: ["Translate", () => import("./views/translate.js")],
  restore: ["Restore", () => import("./views/restore.js")],
  models: ["Models", () => import("./views/models.js")],
};

const view = document.getElementById("view");
const rooms = document.getElementById("rooms");
let leave = null;
let shown = 0;

/** Where the address says we are: the room and its parameters. A room is `#/walk?model=fashion`. */
function place() {
  const [name, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { name: name in ROOMS ? name : "generate", params: new URLSearchParams(query) };
}

/** Shows the room of the address; each room's `show(root, params)` answers with what stops it. */
async function enter() {
  const { name, params } = place();
  const [title, load] = ROOMS[name];
  const visit = (shown += 1);
  leave?.();
  leave = null;
  quiet();
  document.title = `${title} · Ganymede`;
  for (const link of rooms.children) link.toggleAttribute("aria-current", link.dataset.room === name);
  rooms.querySelector("[aria-current]")?.setAttribute("aria-current", "page");
  rooms.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  const root = h("div", { class: `view-${name}` });
  try {
    const room = await load();
    const stop = await room.show(root, params);
    if (visit !== shown) {
      stop?.();
      return;
    }
    leave = stop ?? null;
    view.replaceChildren(root);
    // Who has just come starts at the top, with the skip link; who changes rooms starts in the room.
    if (visit > 1) view.focus({ preventScroll: true });
    scrollTo(0, 0);
  } catch (error) {
    fail(error);
  }
}

function lay() {
  rooms.append(...Object.entries(ROOMS).map(([name, [title]]) => h("a", { href: `#/${name}`, "data-room": name }, title)));

  // Not by its address, which is where rooms are named.
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    view.focus();
  });

  const themes = { auto: "◐", light: "☀", dark: "☾" };
  const button = document.getElementById("theme");
  const dress = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = themes[theme];
    button.setAttribute("aria-label", `Theme: ${theme}`);
  };
  dress(localStorage.getItem("theme") ?? "auto");
  button.addEventListener("click", () => {
    const names = Object.keys(themes);
    const next = names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length];
    localStorage.setItem("theme", next);
    dress(next);
  });

  const hood = document.getElementById("hood");
  const toggle = document.getElementById("hood-toggle");
  let close = null;
  toggle.addEventListener("click", async () => {
    const open = hood.hidden;
    hood.hidden = !open;
    toggle.setAttribute("aria-expanded", String(open));
    close?.();
    close = open ? (await import("./hood.js")).show(hood) : null;
  });
}

lay();
addEventListener("hashchange", enter);
enter();
