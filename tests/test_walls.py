"""The walls of the house: who may import whom, held by import-linter and by a look at what a server really loads."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_floors_and_the_wall_between_service_and_training_hold() -> None:
    # In a process of its own: it sets up logging anew, which would silence the loggers of the tests that follow.
    lint_imports = Path(sys.executable).with_name("lint-imports")
    told = subprocess.run([lint_imports, "--no-cache"], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout


def test_a_running_service_has_loaded_no_torch_no_client_and_nothing_of_training() -> None:
    unwanted = {"httpx", "onnx", "sklearn", "torch", "training"}
    code = (
        "import sys; from app.main import create_app; from app.settings import Settings; create_app(Settings());"
        f"print(sorted({{name.partition('.')[0] for name in sys.modules}} & {unwanted}))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_the_client_works_where_it_is_copied_to(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "app" / "client", tmp_path / "pictures")
    code = "import sys; from pictures import Client; Client(); print('app' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
