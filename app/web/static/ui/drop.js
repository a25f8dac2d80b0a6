// A place for a file: dropped, chosen, pasted, or taken with the camera.

import { h, id } from "../dom.js";
import { fail, say } from "../status.js";

/**
 * The element, with `stop()` that ends listening. `take(file)` is called with each file.
 *
 * `accept` is what the chooser offers (`image/*`), `paste` whether pasting anywhere in the room counts, `camera` whether
 * a photo may be taken.
 */
export function drop({ label, hint, accept, take, paste = true, camera = false }) {
  const field = h("input", { type: "file", accept, id: id("file"), class: "hush", tabindex: "-1", "aria-hidden": "true" });
  const give = async (file) => {
    try {
      await take(file);
    } catch (error) {
      fail(error);
    }
  };
  field.addEventListener("change", () => {
    if (field.files[0]) give(field.files[0]);
    field.value = "";
  });
  const extras = h("div", {});
  const element = h(
    "div",
    { class: "drop" },
    h("p", {}, label),
    h(
      "p",
      { class: "row" },
      h("button", { type: "button", onclick: () => field.click() }, "Choose a file"),
      camera && h("button", { type: "button", onclick: () => shoot(extras, give) }, "Take a photo"),
    ),
    hint && h("p", { class: "small faint" }, hint),
    extras,
    field,
  );
  const over = (event) => {
    event.preventDefault();
    element.classList.toggle("over", event.type === "dragover");
  };
  element.addEventListener("dragover", over);
  element.addEventListener("dragleave", over);
  element.addEventListener("drop", (event) => {
    over(event);
    const file = event.dataTransfer.files[0];
    if (file) give(file);
  });
  const pasted = (event) => {
    const file = [...event.clipboardData.files].find((one) => matches(one, accept));
    if (file) give(file);
  };
  if (paste) addEventListener("paste", pasted);
  return { element, stop: () => removeEventListener("paste", pasted) };
}

function matches(file, accept) {
  return accept.split(",").some((kind) => file.type.startsWith(kind.trim().replace("*", "")));
}

async function shoot(place, give) {
  if (!navigator.mediaDevices?.getUserMedia) {
    say("This browser gives no camera to pages that came over plain http.", "error");
    return;
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1024 } } });
  } catch (error) {
    say(error.name === "NotAllowedError" ? "The camera was not allowed." : "No camera was found.", "error");
    return;
  }
  const video = h("video", { autoplay: true, playsinline: true, muted: true });
  video.srcObject = stream;
  const close = () => {
    for (const track of stream.getTracks()) track.stop();
    place.replaceChildren();
  };
  const take = () => {
    const canvas = h("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    close();
    canvas.toBlob((blob) => give(new File([blob], "camera.jpg", { type: "image/jpeg" })), "image/jpeg", 0.92);
  };
  place.replaceChildren(
    video,
    h("p", { class: "row" }, h("button", { type: "button", class: "main", onclick: take }, "Take it"), h("button", { type: "button", onclick: close }, "Cancel")),
  );
}
