"""Every knob of the service: one class, read from `GANYMEDE_*` variables and from the flags of `ganymede serve`.

Knows no other room; whoever needs a setting is handed this object.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, CliImplicitFlag, NoDecode, SettingsConfigDict

PREFIX = "GANYMEDE_"
REFERENCE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}(@[1-9][0-9]*)?")
ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:.]+\](:[0-9]{1,5})?|\*")
DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]{1,3}(,[0-9]{1,3})*)?")


class Settings(BaseSettings):
    """Immutable; a value out of its range raises `pydantic.ValidationError`, which `explain` puts in words."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="address to listen on; 0.0.0.0 for all")
    port: int = Field(default=8000, ge=0, le=65535, description="port to listen on; 0 for any free one")
    keys_file: Path | None = Field(
        default=None, description="file of keys, see ganymede keys; with it, every request needs a key of its scope"
    )
    allow_anonymous: CliImplicitFlag[bool] = Field(
        default=False,
        description="serve other machines without a keys file: whoever reaches the port may do everything",
    )
    management_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="port of /metrics and of what changes models, which the other then lacks; default: one for all",
    )
    management_host: str | None = Field(
        default=None, description="address that the management port listens on; default: that of the other"
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=256,
        description="processes that serve, each with a queue and a share of the cores of its own; one for each GPU",
    )
    models: Path = Field(default=Path("models"), description="folder of model folders, <name>/<version>/")
    admin: CliImplicitFlag[bool] = Field(
        default=False,
        description="let keys of the scope admin change what is served, see docs/operate.md; without a keys file, only "
        "whoever is on this machine",
    )
    watch_seconds: float | None = Field(
        default=None,
        ge=0.1,
        le=86_400,
        description="seconds between two looks at the folder of models, for versions that came or went; default: never",
    )
    max_model_mb: float = Field(
        default=512, gt=0, le=8192, description="largest archive of a model folder that may be sent, in MB"
    )
    default_model: str | None = Field(
        default=None,
        description="model of requests that name none, as name or name@version; default: the first that fits",
    )
    load: Literal["start", "first-use"] = Field(
        default="start", description="when models come into memory: all at the start, or each when it is asked for"
    )
    memory_mb: float | None = Field(
        default=None,
        gt=0,
        description="megabytes for the models of a worker; the least recently used leave for others; default: no limit",
    )
    load_seconds: float = Field(
        default=300,
        gt=0,
        le=86_400,
        description="seconds that each graph of a model may take to warm up on a CPU; one that takes longer has failed",
    )
    device: str = Field(
        default="auto",
        description="where models run: cpu, cuda (the first GPU), cuda:1, cuda:0,1 (several of one kind), or auto, "
        "which takes the first GPU when runtime and driver offer one",
    )
    gpu_provider: Literal["cuda", "tensorrt"] = Field(
        default="cuda", description="what runs graphs on a GPU; tensorrt compiles them first, for minutes"
    )
    gpu_streams: int = Field(default=2, ge=1, le=8, description="batches in flight on each GPU, so that copies overlap")
    gpu_graphs: bool = Field(default=True, description="replay runs as CUDA graphs, where every node is on the GPU")
    gpu_memory_mb: float | None = Field(
        default=None, gt=0, description="megabytes that each session may take on a GPU; default: no limit"
    )
    tensorrt_cache: Path = Field(
        default=Path("~/.cache/ganymede/tensorrt"), description="folder in which TensorRT keeps what it compiled"
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="executors on the CPU; default: the cores that affinity and cgroup quota allow",
    )
    max_batch: int = Field(default=32, ge=1, le=1024, description="largest batch that a device is given, in samples")
    batch_wait_ms: float = Field(
        default=0, ge=0, le=1000, description="milliseconds that an idle device waits for a batch to fill"
    )
    max_samples: int = Field(default=64, ge=1, le=4096, description="largest n of one request")
    max_upload_mb: float = Field(
        default=64,
        gt=0,
        le=2048,
        description="largest file that a request may bring, in MB; in stereo at 44.1 kHz and 16 bits, 64 hold six "
        "minutes of WAV, or about ten of FLAC",
    )
    max_audio_seconds: float = Field(
        default=600, gt=0, le=36_000, description="longest recording that a request may bring, in seconds"
    )
    max_pixels: int = Field(
        default=25_000_000,
        ge=1024,
        description="most pixels of a picture that a request brings, all its frames together",
    )
    max_frames: int = Field(default=256, ge=1, description="most frames of an animation that a request brings")
    queue_seconds: float = Field(
        default=10,
        gt=0,
        le=3600,
        description="seconds of predicted work that may queue for a model, in each worker, before requests get a 429",
    )
    request_timeout: float = Field(
        default=30,
        gt=0,
        le=3600,
        description="seconds in which a request must be answered; queued samples expire with it",
    )
    max_connections: int = Field(
        default=4096,
        ge=1,
        le=1_000_000,
        description="connections that a worker keeps open, if the limit of open files lets it; further ones get a 503",
    )
    max_head_kb: float = Field(
        default=16,
        ge=1,
        le=1024,
        description="largest address of a request, and largest headers, all together, in kB",
    )
    head_seconds: float = Field(
        default=10, gt=0, le=3600, description="seconds in which the head of a request must be there, all of it"
    )
    body_seconds: float = Field(
        default=30,
        gt=0,
        le=3600,
        description="seconds in which a body must go on, by a kilobyte for each of them, or end",
    )
    stall_seconds: float = Field(
        default=30,
        gt=0,
        le=3600,
        description="seconds in which a client must read on, a kilobyte for each of them, while its answer waits",
    )
    encode_threads: int | None = Field(
        default=None, ge=1, le=1024, description="threads that encode pictures; default: as many as cores"
    )
    output_critic: bool = Field(
        default=True,
        description="have a model's critic judge a few of the pictures that are served, while the device is idle",
    )
    drain_seconds: float = Field(
        default=30, ge=0, le=3600, description="seconds that accepted work may take to finish at shutdown"
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="sites whose scripts may call the service, such as https://example.org, with commas; * for all; "
        "default: none",
    )
    resource_policy: Literal["same-origin", "same-site", "cross-origin"] = Field(
        default="same-origin",
        description="whose pages may show what the service answers, as <img>, <video> or <audio>; cross-origin for all",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least severe message logged"
    )
    log_format: Literal["auto", "human", "json"] = Field(
        default="auto", description="how log lines look; auto: human where stderr is a terminal, else JSON"
    )
    log_requests: bool = Field(default=True, description="log a line for each request, when it has been answered")
    tracing: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="whether requests are traced with OpenTelemetry, which is the extra `tracing`; auto: where "
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT names a collector",
    )

    @property
    def upload_bytes(self) -> int:
        """The largest file that a request may bring, in bytes."""
        return int(self.max_upload_mb * 1_000_000)

    @property
    def model_bytes(self) -> int:
        """The largest archive of a model folder that may be sent, in bytes, and the most that its files may have."""
        return int(self.max_model_mb * 1_000_000)

    @field_validator("management_port")
    @classmethod
    def _is_another(cls, port: int | None, info: ValidationInfo) -> int | None:
        # By its port the service tells which of the two a request came to.
        if port is not None and port == info.data.get("port"):
            raise ValueError("must be another port than --port")
        return port

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _are_origins(cls, given: Any) -> tuple[str, ...]:
        parts = [given] if isinstance(given, str) else given
        origins = tuple(origin.strip() for part in parts for origin in str(part).split(",") if origin.strip())
        for origin in origins:
            if not ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin} is no origin, such as https://example.org: scheme, host and port, no path")
        return origins

    @field_validator("device")
    @classmethod
    def _is_a_device(cls, device: str) -> str:
        if not DEVICE.fullmatch(device):
            raise ValueError("must be auto, cpu, cuda, or GPUs by number, such as cuda:1 or cuda:0,1")
        return device

    @field_validator("default_model")
    @classmethod
    def _is_a_reference(cls, reference: str | None) -> str | None:
        if reference is not None and not REFERENCE.fullmatch(reference):
            raise ValueError("must be a model's name or name@version, such as cifar10 or cifar10@2")
        return reference


def explain(error: ValidationError) -> str:
    """One line for each setting that can't be used: its flag, its variable, what was expected and what was given."""
    lines = []
    for flaw in error.errors():
        name = str(flaw["loc"][0]) if flaw["loc"] else "settings"
        flag = "--" + name.replace("_", "-")
        lines.append(
            f"{flag} ({PREFIX}{name.upper()}): {flaw['msg'].removeprefix('Value error, ')}, not {flaw['input']!r}"
        )
    return "\n".join(lines)
