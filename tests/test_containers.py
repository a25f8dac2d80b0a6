"""What the container files name exists: settings, commands, extras, ports, paths. Docker itself isn't asked here."""

import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from app import cli
from app.access import keys
from app.access.keys import Keyring
from app.main import create_app
from app.processes import listening
from app.processes.server import SLOW_READERS
from app.processes.supervisor import GRACE
from app.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VARIABLES = {PREFIX + name.upper() for name in Settings.model_fields}


def instructions(name: str) -> list[str]:
    """What follows that word in the Dockerfile, continued lines joined, comments left out."""
    text = re.sub(r"(?m)^#.*\n", "", (ROOT / "Dockerfile").read_text()).replace("\\\n", "")
    return re.findall(rf"(?m)^{name} +(.*)$", text)


def read(path: str) -> Any:
    """A YAML file with `${VARIABLE:-default}` as if no variable were set."""
    return yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (ROOT / path).read_text()))


SERVICES = read("docker-compose.yml")["services"]
ADDED = read("docker-compose.gpu.yml")["services"]
GPU = ADDED["app"]
RUN = SERVICES | {"gpu": ADDED["gpu"]}
"""Every service that any of the files runs."""
[LISTENS] = instructions("EXPOSE")


def test_the_image_runs_a_command_of_the_package() -> None:
    [entrypoint], [arguments] = map(json.loads, instructions("ENTRYPOINT")), map(json.loads, instructions("CMD"))
    assert entrypoint[0] in PROJECT["scripts"]
    assert arguments[0] in PROJECT["entry-points"]["ganymede.commands"]


def test_the_image_listens_on_every_address_at_the_port_that_it_exposes(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = dict(re.findall(rf"({PREFIX}\w+)=(\S+)", " ".join(instructions("ENV"))))
    assert variables.keys() <= VARIABLES
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.host, str(settings.port)) == ("0.0.0.0", LISTENS)  # noqa: S104 (inside a container)
    assert listening.flaw(settings) is None
    assert str(settings.models) in {line.split()[-1] for line in instructions("COPY") if line.startswith("--from=")}


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_image_is_healthy_just_when_the_service_is_ready(settings: Settings, status: int, code: int) -> None:
    paths = create_app(settings).openapi()["paths"]
    asked = []

    class Stand(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status if self.path in paths else 404)
            self.end_headers()
            self.wfile.write(b"the reason")

    [check] = instructions("HEALTHCHECK")
    interpreter, *arguments = json.loads(check[check.index("CMD ") + 4 :])
    assert interpreter == "python"
    with ThreadingHTTPServer(("127.0.0.1", 0), Stand) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        # A proxy in the environment must not be asked.
        environment = os.environ | {"GANYMEDE_PORT": str(server.server_port), "http_proxy": "http://127.0.0.1:9"}
        checked = subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
        )
        server.shutdown()
    assert (checked.returncode, checked.stdout, asked) == (code, "the reason\n", ["/readyz"])


@pytest.mark.parametrize(("runtime", "brings"), [("cpu", "onnxruntime=="), ("gpu", "onnxruntime-gpu[")])
def test_the_image_gets_the_service_and_one_runtime(tmp_path: Path, runtime: str, brings: str) -> None:
    assert requirements(tmp_path, runtime).returncode == 0
    wanted = (tmp_path / "requirements.txt").read_text().splitlines()
    assert set(PROJECT["dependencies"]) < set(wanted)
    assert [line for line in wanted if line.startswith("onnx")] == [line for line in wanted if line.startswith(brings)]
    assert not [line for line in wanted if "torch" in line]


def test_an_image_for_training_is_refused(tmp_path: Path) -> None:
    refused = requirements(tmp_path, "train")
    assert (refused.returncode, refused.stderr) == (1, "RUNTIME is cpu or gpu, not train\n")


def requirements(folder: Path, runtime: str) -> subprocess.CompletedProcess[str]:
    """Runs the Dockerfile's own line that chooses what is installed, up to where pip would."""
    (folder / "python").symlink_to(sys.executable)
    (folder / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    [choose] = [line.partition("&& /usr/local/bin/pip")[0] for line in instructions("RUN") if "$RUNTIME" in line]
    environment = os.environ | {"RUNTIME": runtime, "PATH": f"{folder}:{os.environ['PATH']}"}
    return subprocess.run(
        ["/bin/sh", "-c", choose], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    copied = {source for line in instructions("COPY") if "--from" not in line for source in line.split()[:-1]}
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == let_in
    assert {PROJECT["readme"], *PROJECT["license-files"]} <= copied


def test_the_labels_say_what_the_package_says() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', instructions("LABEL")[0]))
    assert labels["title"] == PROJECT["name"]
    assert labels["version"] == PROJECT["version"]
    assert labels["licenses"] == PROJECT["license"]


def test_every_image_from_elsewhere_is_pinned() -> None:
    stages = {line.split()[-1] for line in instructions("FROM") if " AS " in line}
    images = {line.split()[0] for line in instructions("FROM")} - stages
    images |= {service["image"] for service in RUN.values() if "build" not in service}
    assert len(images) == 4
    assert [image for image in images if not re.search(r":v?\d+\.\d+(\.\d+(-[\d.]+-\w+)?|-slim-\w+)$", image)] == []


def test_prometheus_scrapes_the_service_where_it_listens(settings: Settings) -> None:
    source, target, _ = SERVICES["prometheus"]["volumes"][0].split(":")
    assert f"--config.file={target}/prometheus.yml" in SERVICES["prometheus"]["command"]
    job = read(f"{source}/prometheus.yml")["scrape_configs"][0]
    [scraped] = job["static_configs"]
    assert scraped["targets"] == [f"app:{LISTENS}"]
    assert "app" in SERVICES
    assert job.get("metrics_path", "/metrics") in create_app(settings).openapi()["paths"]


def test_prometheus_scrapes_a_gpu_only_where_there_is_one() -> None:
    job = read("deploy/prometheus/prometheus.yml")["scrape_configs"][1]
    [files] = job["file_sd_configs"][0]["files"]
    [mounted] = ADDED["prometheus"]["volumes"]
    source, target, _ = mounted.split(":")
    assert files == f"{target}/*.yml"
    assert target not in str(SERVICES["prometheus"]["volumes"])
    [[exporter]] = [entry["targets"] for entry in read(f"{source}/gpu.yml")]
    assert exporter.split(":")[0] in ADDED


def test_prometheus_shows_a_key_where_there_are_keys() -> None:
    job = read("deploy/prometheus/prometheus.yml")["scrape_configs"][0]
    with_keys = read("docker-compose.keys.yml")
    [secret] = with_keys["services"]["prometheus"]["secrets"]
    shown = job["authorization"]["credentials_file"]
    assert secret["target"] == f"/etc/prometheus/{shown}"
    assert secret["source"] in with_keys["secrets"]
    # Docker can mount a file only over one that is there, since the folder is read-only.
    assert (ROOT / "deploy/prometheus" / shown).is_file()
    source = with_keys["services"]["app"]["volumes"][0].split(":")[0]
    assert f"{source.removeprefix('.')}/" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_commands_that_docker_compose_keys_names_make_what_it_mounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = re.findall(r"(?m)^#   ganymede keys (.+?)(?: > (.+))?$", (ROOT / "docker-compose.keys.yml").read_text())
    assert len(commands) == 2
    monkeypatch.chdir(tmp_path)
    Path("keys").mkdir()
    for arguments, file in commands:
        assert cli.keys(arguments.split()) == 0
        token = capsys.readouterr().out
        if file:
            Path(file).write_text(token)
    with_keys = read("docker-compose.keys.yml")
    folder, target = with_keys["services"]["app"]["volumes"][0].split(":")[:2]
    kept = folder + with_keys["services"]["app"]["environment"]["GANYMEDE_KEYS_FILE"].removeprefix(target)
    shown = Path(with_keys["secrets"]["metrics_key"]["file"]).read_bytes().strip()
    assert Keyring(keys.read(Path(kept)).keys).owner(shown).scopes == {"metrics"}


def test_models_of_a_volume_are_where_the_service_looks_and_its_own() -> None:
    with_models = read("docker-compose.models.yml")
    source, target = with_models["services"]["app"]["volumes"][0].split(":")[:2]
    assert source in with_models["volumes"]
    [copied] = [line.split() for line in instructions("COPY") if line.endswith(f" {target} {target}")]
    assert f"--chown={instructions('USER')[-1]}" in copied


def test_compose_publishes_on_this_machine_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items()}
    assert published == {
        "app": [f"127.0.0.1:{Settings.model_construct().port}:{LISTENS}"],
        "prometheus": ["127.0.0.1:9090:9090"],
        "grafana": ["127.0.0.1:3000:3000"],
    }
    assert "ports" not in ADDED["gpu"]


def test_compose_hears_the_settings_that_a_container_can_change() -> None:
    # Where it listens and which models it has is the image's; the device, its runtime's; a drain is bound to the grace.
    fixed = {PREFIX + name for name in ("HOST", "PORT", "MODELS", "DEVICE", "DRAIN_SECONDS")}
    # Keys and a second port come with files and ports of their own, see docs/operate.md.
    fixed |= {PREFIX + name for name in ("KEYS_FILE", "ALLOW_ANONYMOUS", "MANAGEMENT_PORT", "MANAGEMENT_HOST")}
    # Traces need the extra, and TensorRT its libraries, which the image doesn't have.
    fixed |= {PREFIX + name for name in ("TRACING", "GPU_PROVIDER", "TENSORRT_CACHE")}
    assert set(SERVICES["app"]["environment"]) == VARIABLES - fixed


def test_docker_waits_longer_than_the_service_drains() -> None:
    grace = float(SERVICES["app"]["stop_grace_period"].removesuffix("s"))
    assert grace > Settings.model_construct().drain_seconds + max(SLOW_READERS, GRACE)


def test_no_container_can_write_or_gain_rights() -> None:
    assert int(instructions("USER")[-1].split(":")[0]) > 0
    for service in RUN.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert service.keys().isdisjoint({"privileged", "cap_add", "user"})


def test_no_container_can_take_the_whole_machine() -> None:
    for name, service in RUN.items():
        assert re.fullmatch(r"\d+g", service["mem_limit"]), name
        assert service["pids_limit"] > 0, name
        # The service is what the machine is for; 0 stands for all of its cores.
        assert service["cpus"] == (0 if name == "app" else 1), name
        assert all(":size=" in place for place in service["tmpfs"]), name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}, name


def test_nobody_can_log_in_to_grafana() -> None:
    told = SERVICES["grafana"]["environment"]
    assert told["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    for off in ("GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION", "GF_AUTH_DISABLE_LOGIN_FORM"):
        assert told[off] == "true"
    assert told["GF_AUTH_BASIC_ENABLED"] == "false"


def test_a_gpu_is_asked_for_in_its_own_file_only() -> None:
    assert "deploy" not in SERVICES["app"]
    assert GPU["deploy"]["resources"]["reservations"]["devices"]
    assert Settings(device=GPU["environment"]["GANYMEDE_DEVICE"]).device == "cuda"
    assert (SERVICES["app"]["build"]["args"], GPU["build"]["args"]) == ({"RUNTIME": "cpu"}, {"RUNTIME": "gpu"})
    assert SERVICES["app"]["image"] != GPU["image"]  # or `up` could run the one for the other
