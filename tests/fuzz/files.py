"""Small files of every kind that a route takes, as the world's programs write them: what fuzzing begins with."""

from io import BytesIO

import numpy as np
from PIL import Image

from app.media import animation, bundles, images, png
from app.media.provenance import Recipe
from tests import toy, toy_sound
from tests.media import films, sounds

FRAMES = films.noise(frames=4)
"""uint8 [4, 16, 20, 3]"""

RECIPE = Recipe(model="cifar10", version=1, digest="0" * 64, seed=7)


def picture(kind: str, **options: object) -> bytes:
    """A picture as Pillow writes it."""
    out = BytesIO()
    Image.fromarray(FRAMES[0]).save(out, kind, **options)
    return out.getvalue()


PICTURES = [picture(kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")]
CLIPS = [animation.encode(FRAMES, kind, rate=10) for kind in ("gif", "webp", "apng", "mp4")]
ZIPS = [bundles.archive((f"{number}.png", png.encode(frame, {})) for number, frame in enumerate(FRAMES))]
CODES = bundles.npy(np.ones((2, toy.LATENT), np.float32))
ARRAYS = [CODES, *(bundles.npy(array) for array in (FRAMES, FRAMES[0], np.full(toy.LATENT, np.nan)))]
SOUNDS = [
    sounds.file(sounds.noise(1, 300), toy_sound.RATE),
    sounds.file(sounds.noise(2, 900), 44_100),
    sounds.file(sounds.noise(1, 400), 16_000, "FLAC"),
]
EVERY = [*PICTURES, *CLIPS, *ZIPS, *ARRAYS, *SOUNDS]

RARER_PICTURES = [
    picture("AVIF"),
    picture("JPEG", progressive=True),
    picture("JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"),
    picture("WEBP", lossless=True),
    *(picture("TIFF", compression=how) for how in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")),
    *(images.encode(FRAMES[0], kind, RECIPE) for kind in ("png", "jpeg", "webp")),
]
RARER_CLIPS = [films.video(films.steps(3, 16, 16), *films.CODECS[how]) for how in ("vp8 in webm", "mjpeg in mov")]
RARER_CLIPS += [films.pages([Image.fromarray(frame) for frame in FRAMES])]
RARER_SOUNDS = [
    sounds.file(sounds.noise(1, 2000), 16_000, "OGG", "VORBIS"),
    sounds.file(sounds.noise(1, 2000), 16_000, "OGG", "OPUS"),
    sounds.file(sounds.noise(1, 2000), 16_000, "MP3", "MPEG_LAYER_III"),
    sounds.file(sounds.noise(1, 300), 16_000, "WAV", "FLOAT"),
    sounds.file(sounds.noise(2, 300), 16_000, "RF64", "ULAW"),
]
"""The same of further kinds; Schemathesis is given those above."""
