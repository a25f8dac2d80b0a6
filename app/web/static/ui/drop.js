// A place for a file: dropped, chosen, pasted, or taken with the camera.

import { h, id } from "../dom.js";
import { fail, say } from "../status.js";

/**
 * The element, with `stop()` that ends listening and puts the camera off. `take(file)` is called with each file.
 *
 * `accept` is what the chooser offers (`image/*`), `paste` whether what is pasted or dropped anywhere on the page counts,
 * `camera` whether a photo may be taken.
 */
export function drop({ label, hint, accept, take, paste = true, camera = false }) {
  const field = h("input", { type: "file", accept, id: id("file"), class: "hush", tabindex: "-1", "aria-hidden": "true" });
  let gone = false;
  const give = async (file) => {
    try {
      if (!gone) await take(file);
    } catch (error) {
      fail(error);
    }
  };
  field.addEventListener("change", () => {
    field.removeAttribute("capture");
    if (field.files[0]) give(field.files[0]);
    field.value = "";
  });
  const extras = h("div", { class: "extras" });
  let shut = () => undefined;
  let asking = false;
  const shoot = async () => {
    if (asking) return;
    shut();
    if (navigator.mediaDevices?.getUserMedia) {
      asking = true;
      shut = (await film(extras, give)) ?? shut;
      asking = false;
      if (gone) shut();
    } else {
      // Pages that came over plain http get no camera, but a phone's chooser brings its own.
      field.setAttribute("capture", "environment");
      field.click();
    }
  };
  const pictures = accept.startsWith("image/");
  const element = h(
    "div",
    { class: "drop" },
    h("p", {}, label),
    h(
      "p",
      { class: "row" },
      h("button", { type: "button", onclick: () => field.click() }, "Choose a file"),
      paste && pictures && navigator.clipboard?.read && h("button", { type: "button", onclick: () => paper(give) }, "Paste"),
      camera && h("button", { type: "button", onclick: shoot }, "Take a photo"),
    ),
    hint && h("p", { class: "small faint" }, hint),
    extras,
    field,
  );
  return { element, stop: listen(element, { accept, give, anywhere: paste }, () => (shut(), (gone = true))) };
}

/** Listens for what is dropped and pasted; answers with what ends that, and calls `also`. */
function listen(element, { accept, give, anywhere }, also) {
  const ear = anywhere ? window : element;
  const over = (event) => {
    if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault(); // else the browser leaves the page for the file
    element.classList.toggle("over", event.type === "dragover");
  };
  const dropped = (event) => {
    over(event);
    const file = event.dataTransfer.files[0];
    if (file) give(file);
  };
  const pasted = (event) => {
    const file = [...event.clipboardData.files].find((one) => matches(one, accept));
    if (file) give(file);
  };
  const ears = { dragover: over, dragleave: over, drop: dropped, ...(anywhere ? { paste: pasted } : {}) };
  for (const [name, heard] of Object.entries(ears)) ear.addEventListener(name, heard);
  return () => {
    for (const [name, heard] of Object.entries(ears)) ear.removeEventListener(name, heard);
    also();
  };
}

function matches(file, accept) {
  return accept.split(",").some((kind) => file.type.startsWith(kind.trim().replace("*", "")));
}

/** The picture on the clipboard, for whom has no keys to paste with. */
async function paper(give) {
  try {
    for (const item of await navigator.clipboard.read()) {
      const type = item.types.find((kind) => kind.startsWith("image/"));
      if (type) {
        await give(new File([await item.getType(type)], "pasted", { type }));
        return;
      }
    }
    say("There is no picture on the clipboard.");
  } catch {
    say("The browser didn't show the clipboard. Ctrl + V works without asking.", "error");
  }
}

/** Shows the camera in `place` until a photo is taken; answers with what puts it off. */
async function film(place, give) {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1024 }, facingMode: { ideal: "environment" } } });
  } catch (error) {
    say(error.name === "NotAllowedError" ? "The camera was not allowed." : "No camera was found.", "error");
    return null;
  }
  const video = h("video", { autoplay: true, playsinline: true, muted: true, "aria-label": "What the camera sees" });
  video.srcObject = stream;
  const close = () => {
    for (const track of stream.getTracks()) track.stop();
    place.replaceChildren();
  };
  const snap = () => {
    const canvas = h("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    close();
    canvas.toBlob((blob) => give(new File([blob], "camera.jpg", { type: "image/jpeg" })), "image/jpeg", 0.92);
  };
  const take = h("button", { type: "button", class: "main", disabled: true, onclick: snap }, "Take it");
  video.addEventListener("loadeddata", () => {
    take.disabled = false;
    take.focus();
  });
  place.replaceChildren(video, h("p", { class: "row" }, take, h("button", { type: "button", onclick: close }, "Cancel")));
  return close;
}
