// Pictures through the code of an auto-encoder and back: what the model keeps of them.

import { ask } from "../../api.js";
import { addressed, h } from "../../dom.js";
import { detail, doing } from "../../models.js";
import { fail } from "../../status.js";
import { drop } from "../../ui/drop.js";
import { save } from "../../ui/tile.js";

/** The tab: one picture, and beside it what each model with an encoder makes of it. */
export function reconstruct(models) {
  let work = new AbortController();
  let given = null;

  const input = frame("What was given");
  const outputs = models.map((model) => output(model));
  const place = drop({ label: "Drop a picture, or paste one.", hint: "The encoder sees its middle, at the size that it was trained on.", accept: "image/*", take });
  const draw = h("button", { type: "button", class: "main", onclick: () => sample().catch(fail) }, "Draw one for me");

  async function sample() {
    const known = (await doing("generate")).filter((model) => model.name.split("-")[0] === models[0].name.split("-")[0]);
    const source = known.find((model) => !models.some((other) => other.name === model.name)) ?? models[0];
    const answer = await ask("generate", { query: { model: source.model, format: "png" }, signal: work.signal });
    await take(await answer.blob());
  }

  async function take(file) {
    work.abort();
    work = new AbortController();
    given = file;
    addressed(input.image, file);
    input.element.hidden = false;
    await Promise.all(outputs.map((one) => one.ask(work.signal)));
  }

  function output(model) {
    const shown = frame(model.title);
    let blob = null;
    const once = async (signal, seed) => {
      const form = new FormData();
      form.append("image", given);
      const query = { model: model.model, class: model.classes[0], seed, format: "png" };
      blob = await (await ask("reconstruct", { query, form, signal })).blob();
      addressed(shown.image, blob);
      shown.element.hidden = false;
    };
    const another = h("button", { type: "button", hidden: true, onclick: () => once(work.signal, Math.floor(Math.random() * 1_000_000)).catch(fail) }, "Another from its cloud");
    shown.element.append(
      h("p", { class: "row" }, another, h("button", { type: "button", onclick: () => blob && save(blob, `${model.name}_reconstructed.png`) }, "Save")),
    );
    // Only a variational encoder says how unsure it is: only of one there are others to draw.
    detail(model.model)
      .then(({ graphs }) => (another.hidden = !graphs.encoder.outputs.some((one) => one.meaning === "deviation")))
      .catch(fail);
    return { element: shown.element, ask: once };
  }

  // An empty room says nothing of what it is for.
  sample().catch(fail);
  return {
    element: h(
      "div",
      { class: "restore" },
      h("div", {}, place.element, h("p", { class: "row after" }, draw)),
      h("div", { class: "beside" }, input.element, outputs.map((one) => one.element)),
    ),
    stop() {
      work.abort();
      place.stop();
    },
  };
}

function frame(title) {
  const image = h("img", { alt: title, class: "shown" });
  return { image, element: h("figure", { hidden: true }, image, h("figcaption", { class: "small faint" }, title)) };
}
