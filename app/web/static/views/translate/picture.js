// Any picture through any model that translates: before and after.

import { h } from "../../dom.js";
import { quiet, say } from "../../status.js";
import { drop } from "../../ui/drop.js";
import { choice } from "../../ui/fields.js";
import { noted } from "./address.js";
import { easel } from "./easel.js";
import { photo } from "./photo.js";

/** The room for these models; `params` may name one. */
export function show(root, models, params) {
  const asked = params.get("model")?.split("@")[0];
  let model = models.find((one) => one.name === asked) ?? models[0];
  let given = false;
  let reading = null;
  const stand = easel("translate", { scale: params.get("scale") === "original" ? "original" : "model", changed: translate });
  const picker = choice({
    label: "Model",
    value: model.model,
    options: models.map((one) => [one.model, one.title]),
    onchange: (name) => {
      model = models.find((one) => one.model === name);
      translate();
    },
  });
  const place = drop({ label: "A picture: drop it here, or paste it.", hint: "What the model was trained on comes out best: its name says what that is.", accept: "image/*", camera: true, take });
  const large = h("div", { class: "room large", hidden: true }, h("div", { class: "settings" }, stand.settings), stand.element);
  root.append(picker.element, place.element, large);

  async function take(file) {
    reading?.abort();
    reading = new AbortController();
    say("Reading the picture");
    const next = await photo(file, reading.signal);
    quiet();
    stand.set(next);
    given = true;
    large.hidden = false;
    place.element.classList.add("slim");
    translate();
  }

  function translate() {
    noted({ do: "picture", model: model.model, scale: stand.scale });
    if (given) stand.paint({ model: model.model }, `translated by ${model.model}`, model.title);
  }

  return () => {
    reading?.abort();
    place.stop();
    stand.stop();
  };
}
