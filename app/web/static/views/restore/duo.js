// Two sounds that play as one: in step, at equal loudness, and one hears the one or the other without a jump.

import { h } from "../../dom.js";
import { slider } from "../../ui/fields.js";
import { loudness } from "./sound.js";

/** Seconds over which one fades into the other: short, and without a click. */
const FADE = 0.02;

/** The player of two AudioBuffers; `gains` says by how much each is made louder: never the softer one, which could clip. */
export function duo(context, sounds) {
  const levels = sounds.map(loudness);
  const quiet = Math.min(...levels.filter((level) => level > 0), Infinity);
  const gains = levels.map((level) => (level > 0 ? quiet / level : 1));
  const length = Math.max(...sounds.map((sound) => sound.duration));
  let sources = [];
  let began = 0;
  let from = 0;
  let heard = 1;
  let frame = 0;

  const nodes = gains.map((gain, at) => {
    const node = context.createGain();
    node.gain.value = at === heard ? gain : 0;
    node.connect(context.destination);
    return node;
  });
  const play = h("button", { type: "button", class: "main", onclick: () => (sources.length ? pause() : start()) }, "Play");
  const choose = ["As it came", "Enhanced"].map((name, at) => h("button", { type: "button", "aria-pressed": String(at === heard), onclick: () => hear(at) }, name));
  const head = slider({ label: "Position", min: 0, max: length, step: 0.01, value: 0, text: (at) => `${at.toFixed(1)} of ${length.toFixed(1)} s`, oninput: seek });

  function start() {
    context.resume();
    if (from >= length) from = 0;
    sources = sounds.map((sound, at) => {
      const source = context.createBufferSource();
      source.buffer = sound;
      source.connect(nodes[at]);
      source.start(0, Math.min(from, sound.duration));
      return source;
    });
    began = context.currentTime;
    play.textContent = "Pause";
    follow();
  }

  function follow() {
    const at = from + context.currentTime - began;
    head.value = Math.min(at, length);
    if (at >= length) pause();
    else frame = requestAnimationFrame(follow);
  }

  function pause() {
    cancelAnimationFrame(frame);
    from = Math.min(length, from + context.currentTime - began);
    for (const source of sources) source.stop();
    sources = [];
    play.textContent = "Play";
  }

  function seek(at) {
    const playing = sources.length > 0;
    if (playing) pause();
    from = at;
    if (playing) start();
  }

  function hear(which) {
    heard = which;
    nodes.forEach((node, at) => node.gain.setTargetAtTime(at === which ? gains[at] : 0, context.currentTime, FADE / 3));
    choose.forEach((button, at) => button.setAttribute("aria-pressed", String(at === which)));
  }

  return {
    gains,
    element: h("div", { class: "duo card" }, h("p", { class: "row" }, play, h("span", { role: "group", "aria-label": "What is heard", class: "row" }, choose), h("span", { class: "small faint" }, "at equal loudness")), head.element),
    stop() {
      cancelAnimationFrame(frame);
      context.close();
    },
  };
}
