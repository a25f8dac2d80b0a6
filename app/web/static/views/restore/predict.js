// How a clip goes on: the frames that the model saw and those that it expects, as a film strip.

import { ask } from "../../api.js";
import { h } from "../../dom.js";
import { detail } from "../../models.js";
import { fail, say } from "../../status.js";
import { drop } from "../../ui/drop.js";
import { choice, slider } from "../../ui/fields.js";
import { saved } from "../../ui/tile.js";

/** Milliseconds that a frame stands while the strip plays. */
const FRAME = 160;

/** The tab: a clip, and the film strip of how it goes on. */
export function predict(models) {
  let model = models[0];
  const visit = new AbortController();
  let work = null;
  let clip = null;
  let seen = 0;
  let playing = 0;

  const wants = h("p", { class: "small faint" });
  const strip = h("ol", { class: "strip" });
  const large = h("canvas", { class: "pane small", role: "img", "aria-label": "The frame that is shown", width: 64, height: 64 });
  const scrub = slider({ label: "Frame", min: 1, max: 1, step: 1, value: 1, text: name, oninput: show });
  const play = h("button", { type: "button", onclick: toggle }, "Play");
  const cancel = h("button", { type: "button", hidden: true, onclick: () => work?.abort() }, "Cancel");
  const steps = slider({ label: "Frames to predict", min: 1, max: 20, step: 1, value: 8 });
  const result = h(
    "div",
    { hidden: true },
    h("div", { class: "player" }, large, h("div", {}, scrub.element, h("p", { class: "row" }, play, h("button", { type: "button", onclick: () => keep().catch(fail) }, "Save as a film")))),
    strip,
  );
  const place = drop({ label: "Drop a clip: an animated GIF, WebP or PNG, a video, or a zip of pictures.", accept: "image/*,video/*,.zip", take });
  const picker = choice({
    label: "Model",
    options: models.map((one) => [one.name, one.title]),
    value: model.name,
    onchange: (chosen) => {
      model = models.find((one) => one.name === chosen);
      learn().catch(fail);
    },
  });
  steps.field.addEventListener("change", () => clip && draw().catch(fail));

  async function learn() {
    const { graphs } = await detail(model.model);
    seen = graphs.generator.inputs[0].shape[1];
    wants.textContent = `It looks at the last ${seen} frames: send at least as many.`;
    if (clip) await draw();
  }

  async function take(file) {
    clip = file;
    await draw();
  }

  function asked(format, signal) {
    const form = new FormData();
    form.append("frames", clip);
    return ask("predict", { query: { model: model.model, steps: steps.value, context: 1, format }, form, signal });
  }

  async function draw() {
    work?.abort();
    const mine = (work = new AbortController());
    cancel.hidden = false;
    say("Predicting…");
    try {
      if (!seen) await learn();
      const row = await createImageBitmap(await (await asked("png", mine.signal)).blob());
      lay(row, seen + steps.value);
    } finally {
      if (work === mine) cancel.hidden = true;
    }
  }

  /** Cuts the answer, a row of all frames, into a strip. */
  function lay(row, count) {
    const width = row.width / count;
    strip.replaceChildren(
      ...Array.from({ length: count }, (_, at) => {
        const canvas = h("canvas", { width, height: row.height, role: "img", "aria-label": name(at + 1) });
        canvas.getContext("2d").drawImage(row, at * width, 0, width, row.height, 0, 0, width, row.height);
        const label = at < seen ? `seen ${at + 1}` : `+${at - seen + 1}`;
        return h("li", { class: at < seen ? "was" : "will" }, h("button", { type: "button", class: "quiet", "aria-label": `Show ${name(at + 1)}`, onclick: () => ((scrub.value = at + 1), show(at + 1)) }, canvas), h("span", { class: "small" }, label));
      }),
    );
    [large.width, large.height] = [width, row.height];
    row.close();
    scrub.field.max = count;
    scrub.value = seen + 1;
    result.hidden = false;
    show(seen + 1);
    say(`${count - seen} frames predicted.`);
  }

  function name(number) {
    return number <= seen ? `frame ${number}, seen` : `frame ${number}, predicted`;
  }

  function show(number) {
    const source = strip.querySelectorAll("canvas")[number - 1];
    if (!source) return;
    large.getContext("2d").drawImage(source, 0, 0);
    [...strip.children].forEach((item, at) => item.classList.toggle("now", at === number - 1));
  }

  function toggle() {
    if (playing) return pause();
    play.textContent = "Pause";
    playing = setInterval(() => {
      scrub.value = (scrub.value % Number(scrub.field.max)) + 1;
      show(scrub.value);
    }, FRAME);
  }

  function pause() {
    clearInterval(playing);
    playing = 0;
    play.textContent = "Play";
  }

  async function keep() {
    await saved(await asked("gif", visit.signal), `${model.name}.gif`);
  }

  learn().catch(fail);
  return {
    element: h("div", { class: "restore" }, h("div", {}, models.length > 1 && picker.element, wants, steps.element, place.element, h("p", { class: "row after" }, cancel)), result),
    stop() {
      pause();
      visit.abort();
      work?.abort();
      place.stop();
    },
  };
}
