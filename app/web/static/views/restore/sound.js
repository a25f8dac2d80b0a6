// Sound as numbers: its loudness, its spectrogram, its WAV file, and a recording of the microphone.

/** Samples of a window of the spectrogram, and from one window to the next. */
const WINDOW = 512;
/** Decibels below the loudest that are still shown. */
const RANGE = 80;

/** The root mean square of an AudioBuffer's first channel. */
export function loudness(buffer) {
  const samples = buffer.getChannelData(0);
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return Math.sqrt(sum / samples.length);
}

/** The lowest and the highest sample of each of `columns` even parts. */
export function outline(samples, columns) {
  return Array.from({ length: columns }, (_, at) => {
    const part = samples.subarray(Math.floor((at * samples.length) / columns), Math.max(1, Math.floor(((at + 1) * samples.length) / columns)));
    let [low, high] = [0, 0];
    for (const sample of part) {
      if (sample < low) low = sample;
      if (sample > high) high = sample;
    }
    return [low, high];
  });
}

/** Magnitudes in decibels, [columns][WINDOW / 2], of a Hann window at `columns` even places; low frequencies first. */
export function spectrogram(samples, columns) {
  const shape = Float32Array.from({ length: WINDOW }, (_, at) => 0.5 - 0.5 * Math.cos((2 * Math.PI * at) / WINDOW));
  return Array.from({ length: columns }, (_, column) => {
    const from = Math.floor((column * Math.max(0, samples.length - WINDOW)) / Math.max(1, columns - 1));
    const real = Float32Array.from({ length: WINDOW }, (_, at) => (samples[from + at] ?? 0) * shape[at]);
    const imaginary = new Float32Array(WINDOW);
    transform(real, imaginary);
    return Float32Array.from({ length: WINDOW / 2 }, (_, at) => 20 * Math.log10(Math.hypot(real[at], imaginary[at]) + 1e-9));
  });
}

/** A decibel value as a share in [0, 1] of what is shown, `top` being the loudest of the pictures that are compared. */
export function shade(decibels, top) {
  return Math.min(1, Math.max(0, (decibels - top + RANGE) / RANGE));
}

/** Cooley and Tukey's fast Fourier transform, in place; the length is a power of two. */
export function transform(real, imaginary) {
  const n = real.length;
  for (let at = 1, mirrored = 0; at < n; at += 1) {
    let bit = n >> 1;
    for (; mirrored & bit; bit >>= 1) mirrored ^= bit;
    mirrored |= bit;
    if (at < mirrored) {
      [real[at], real[mirrored]] = [real[mirrored], real[at]];
      [imaginary[at], imaginary[mirrored]] = [imaginary[mirrored], imaginary[at]];
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    const angle = (-2 * Math.PI) / size;
    for (let start = 0; start < n; start += size) {
      for (let k = 0; k < size / 2; k += 1) {
        const [cos, sin] = [Math.cos(angle * k), Math.sin(angle * k)];
        const [a, b] = [start + k, start + k + size / 2];
        const [re, im] = [real[b] * cos - imaginary[b] * sin, real[b] * sin + imaginary[b] * cos];
        [real[b], imaginary[b]] = [real[a] - re, imaginary[a] - im];
        [real[a], imaginary[a]] = [real[a] + re, imaginary[a] + im];
      }
    }
  }
}

/** Samples in [-1, 1] as a WAV file of 16 bits, one channel. */
export function wav(parts, rate) {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * length));
  const text = (at, words) => [...words].forEach((letter, place) => view.setUint8(at + place, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * length, true);
  let at = 44;
  for (const part of parts) {
    for (const sample of part) {
      view.setInt16(at, Math.round(32767 * Math.min(1, Math.max(-1, sample))), true);
      at += 2;
    }
  }
  return new Blob([view], { type: "audio/wav" });
}

/** Begins to record the microphone; `stop()` answers with the WAV file. Rejects where there is none, or it isn't allowed. */
export async function record() {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  const context = new AudioContext();
  const parts = [];
  const close = () => {
    for (const track of stream.getTracks()) track.stop();
    return context.close();
  };
  try {
    await context.audioWorklet.addModule(new URL("./tap.js", import.meta.url));
    const source = context.createMediaStreamSource(stream);
    const tap = new AudioWorkletNode(context, "tap", { numberOfOutputs: 0 });
    tap.port.onmessage = ({ data }) => parts.push(data);
    source.connect(tap);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    async stop() {
      await close();
      return new File([wav(parts, context.sampleRate)], "microphone.wav", { type: "audio/wav" });
    },
  };
}
