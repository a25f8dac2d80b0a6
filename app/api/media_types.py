"""The media type of each format that answers come in. Verbs offer some of them, in an order of their own."""

from collections.abc import Mapping
from typing import TypeVar

Name = TypeVar("Name", bound=str)

MEDIA_TYPES: Mapping[str, str] = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "apng": "image/apng",
    "mp4": "video/mp4",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "json": "application/json",
    "zip": "application/zip",
    "npy": "application/x-npy",
    "ndjson": "application/x-ndjson",
    "multipart": "multipart/mixed",
}


def offered(*formats: Name) -> dict[Name, str]:
    """The media types of these formats, in this order: that of preference."""
    return {name: MEDIA_TYPES[name] for name in formats}
