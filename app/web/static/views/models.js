// Models: what is served here, what each is for and what not, how good it is, and whose data are in it.

import { ask, read } from "../api.js";
import { addressed, h, sheet } from "../dom.js";
import { forget } from "../models.js";
import { fail } from "../status.js";
import { STATES } from "./models/tasks.js";

/** How often models that are still coming are looked for, in milliseconds. */
const AGAIN = 2000;

/** The room; `model` in `params` is the one that is opened, a name or name@version. */
export async function show(root, params) {
  await sheet(new URL("./models.css", import.meta.url));
  const stop = new AbortController();
  forget();
  const pictures = gallery(stop.signal);
  const asked = params.get("model");
  try {
    if (asked) await (await import("./models/opened.js")).open(root, asked, pictures, stop.signal);
    else await list(root, pictures, stop.signal);
  } catch (error) {
    root.replaceChildren(h("h1", {}, "Models"), h("p", {}, error.message), asked ? h("p", {}, h("a", { href: "#/models" }, "All models")) : "");
    if (error.name !== "Refusal") fail(error);
  }
  return () => {
    stop.abort();
    pictures.release();
  };
}

async function list(root, pictures, signal) {
  const wall = h("ul", { class: "shelf" });
  const shown = new Map();
  const fill = async () => {
    const { models } = await read("models", { signal });
    for (const model of models) {
      const before = shown.get(model.model);
      if (before?.state === model.state) continue;
      const element = card(model, pictures);
      if (before) before.element.replaceWith(element);
      else wall.append(element);
      shown.set(model.model, { state: model.state, element });
    }
    if (models.some((model) => model.state === "loading")) setTimeout(() => signal.aborted || fill().catch(fail), AGAIN);
    return models.length;
  };
  root.append(
    h("h1", {}, "Models"),
    h("p", { class: "faint" }, "Each picture shows what the model made, none of it chosen. Open one for its numbers, its limits and its licence."),
    wall,
  );
  if (!(await fill())) wall.replaceWith(h("p", {}, "No model is served here yet: train one, or put a model folder into the models folder."));
}

function card(model, pictures) {
  const sheets = model.links.samples;
  return h(
    "li",
    { class: "model" },
    h(
      "a",
      { href: `#/models?model=${encodeURIComponent(model.model)}` },
      h("span", { class: "sheet" }, sheets && pictures.draw(sheets, "")),
      h("span", { class: "name" }, model.title ?? model.name),
      h("span", { class: "small faint" }, h("code", {}, model.model), h("span", { class: `state ${model.state}` }, STATES[model.state] ?? model.state)),
      h("span", { class: "small" }, model.reason ?? model.tasks?.join(", ") ?? ""),
    ),
  );
}

/** Pictures of the service that come when they are seen; through `ask`, since an image can't carry a key. */
function gallery(signal) {
  const made = [];
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      ask(target.dataset.path, { method: "GET", signal })
        .then(async (answer) => addressed(target, await answer.blob()))
        .catch((error) => (error.name === "Refusal" ? target.replaceWith(h("span", { class: "small faint" }, error.message)) : fail(error)));
    }
  }, { rootMargin: "200px" });
  return {
    /** An image that is fetched from a path of the service once it comes near. */
    draw(path, alt) {
      const image = h("img", { alt, "data-path": new URL(path, location.href).href });
      made.push(image);
      seen.observe(image);
      return image;
    },
    release() {
      seen.disconnect();
      for (const image of made) URL.revokeObjectURL(image.src);
    },
  };
}
