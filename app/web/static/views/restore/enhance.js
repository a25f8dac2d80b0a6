// Speech without its noise: both as waveforms and spectrograms, and heard against each other at equal loudness.

import { ask, filename } from "../../api.js";
import { h } from "../../dom.js";
import { fail, say } from "../../status.js";
import { drop } from "../../ui/drop.js";
import { save } from "../../ui/tile.js";
import { duo } from "./duo.js";
import { loudness, outline, record, shade, spectrogram } from "./sound.js";

const COLUMNS = 480;
const ROWS = 128;
/** Hertz: the half of the rate that speech is enhanced at. */
const HEARD = 8000;
const REFUSED = { NotAllowedError: "The microphone was not allowed.", NotFoundError: "No microphone was found." };

/** The tab. */
export function enhance(models) {
  const model = models[0];
  let work = null;
  let recording = null;
  let player = null;
  let clean = null;
  let asking = false;
  let gone = false;

  const result = h("div", { hidden: true });
  const cancel = h("button", { type: "button", hidden: true, onclick: () => work?.abort() }, "Cancel");
  const microphone = h("button", { type: "button", "aria-pressed": "false", onclick: () => listen().catch(fail) }, "Record from the microphone");
  const place = drop({ label: "Drop a recording of speech: WAV, FLAC, Ogg or MP3.", hint: "It is heard at 16 kHz by the model, and comes back at its own rate.", accept: "audio/*", take });

  async function listen() {
    if (asking) return;
    if (recording) {
      const done = recording;
      recording = null;
      microphone.textContent = "Record from the microphone";
      microphone.setAttribute("aria-pressed", "false");
      const file = await done.stop();
      if (!gone) await take(file);
      return;
    }
    if (!navigator.mediaDevices?.getUserMedia) {
      say("This browser gives no microphone to pages that came over plain http.", "error");
      return;
    }
    asking = true;
    try {
      recording = await record();
    } catch (error) {
      if (!gone) say(REFUSED[error.name] ?? "The microphone can't be recorded here.", "error");
      return;
    } finally {
      asking = false;
    }
    if (gone) {
      recording.stop();
      return;
    }
    microphone.textContent = "Stop, and take the noise out";
    microphone.setAttribute("aria-pressed", "true");
  }

  async function take(file) {
    work?.abort();
    const mine = (work = new AbortController());
    cancel.hidden = false;
    say("Listening…");
    try {
      const form = new FormData();
      form.append("audio", file);
      const answer = await ask("enhance", { query: { model: model.model }, form, signal: mine.signal });
      clean = { blob: await answer.blob(), name: filename(answer, "clean.wav") };
      await compare(file, clean.blob);
      say("The noise is out. Compare.");
    } catch (error) {
      if (error.name === "AbortError" && work === mine) say("Cancelled.");
      else throw error;
    } finally {
      if (work === mine) cancel.hidden = true;
    }
  }

  async function compare(before, after) {
    player?.stop();
    const context = new AudioContext();
    const sounds = await Promise.all([before, after].map(async (blob) => context.decodeAudioData(await blob.arrayBuffer())));
    player = duo(context, sounds);
    const pictures = sounds.map((sound) => spectrogram(sound.getChannelData(0), COLUMNS));
    let top = -Infinity;
    for (const column of pictures.flat()) for (const value of column) if (value > top) top = value;
    const names = ["as it came", "enhanced"];
    result.replaceChildren(
      player.element,
      ...sounds.map((sound, at) =>
        h(
          "section",
          { class: "sound", "aria-label": names[at] },
          h("h3", {}, names[at], h("span", { class: "small faint number" }, ` ${(20 * Math.log10(loudness(sound) + 1e-9)).toFixed(1)} dBFS, played ${decibels(player.gains[at])}`)),
          wave(sound),
          spectrum(pictures[at], top, sound.sampleRate),
        ),
      ),
      h("p", { class: "row" }, h("button", { type: "button", onclick: () => save(clean.blob, clean.name) }, "Save what is enhanced")),
    );
    result.hidden = false;
  }

  return {
    element: h("div", { class: "restore" }, h("div", {}, place.element, h("p", { class: "row after" }, microphone, cancel)), result),
    stop() {
      gone = true;
      work?.abort();
      recording?.stop();
      player?.stop();
      place.stop();
    },
  };
}

function decibels(gain) {
  const value = 20 * Math.log10(gain);
  return Math.abs(value) < 0.05 ? "as it is" : `${value > 0 ? "+" : "−"}${Math.abs(value).toFixed(1)} dB`;
}

function wave(sound) {
  const canvas = h("canvas", { class: "wave", width: COLUMNS, height: 64, role: "img", "aria-label": `Waveform, ${sound.duration.toFixed(1)} seconds` });
  const draw = canvas.getContext("2d");
  draw.fillStyle = "#b4608f";
  outline(sound.getChannelData(0), COLUMNS).forEach(([low, high], x) => draw.fillRect(x, 32 - high * 32, 1, Math.max(1, (high - low) * 32)));
  return canvas;
}

/** Frequencies upwards, as far as the model hears; dark is quiet in both themes, as in every analyser. */
function spectrum(columns, top, rate) {
  const shown = columns[0].length * Math.min(1, HEARD / (rate / 2));
  const canvas = h("canvas", { class: "spectrum", width: COLUMNS, height: ROWS, role: "img", "aria-label": `Spectrogram, up to ${Math.min(HEARD, rate / 2) / 1000} kHz` });
  const draw = canvas.getContext("2d");
  const image = draw.createImageData(COLUMNS, ROWS);
  columns.forEach((column, x) => {
    for (let row = 0; row < ROWS; row += 1) {
      const value = shade(column[Math.floor((row * shown) / ROWS)], top);
      const at = 4 * ((ROWS - 1 - row) * COLUMNS + x);
      image.data.set([255 * Math.min(1, value * 1.6), 235 * value ** 2, 90 + 150 * value * (1 - value) * 2, 255], at);
      if (value < 0.25) image.data[at + 2] = 20 + 280 * value;
    }
  });
  draw.putImageData(image, 0, 0);
  return canvas;
}
