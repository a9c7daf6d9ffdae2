"""Training through OpenCL, as on a GPU's node. Here OpenCL runs on the CPU: the kernels and the loader are the same."""

import os
import platform
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from lifecycle.manifest import TrainingFacts
from lifecycle.registry import ModelRegistry
from lifecycle.store import ObjectStore
from obstore.store import LocalStore
from retraining.reference_data import cache_folder
from tests.services.workshop import MODELS, Workshop

pytestmark = [
    pytest.mark.engine,
    # Of pocl there is a wheel for one processor only.
    pytest.mark.skipif(platform.machine() != "x86_64", reason="pocl has no wheel for this processor"),
]


_CACHE = cache_folder().parent / "opencl"
_POCL = "pocl-binary-distribution==3.0 --hash=sha256:b70c3d7835afd9aabc43dcffe0035d6a71d54eb35d8d55fc2fd4eb1e037128a9"


def _driver() -> Path:
    """What stands where a GPU node's container runtime puts NVIDIA's: 58 MB, kept beside the reference data."""
    folder = _CACHE / "pocl-3.0"
    if not folder.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=_CACHE) as temporary:
            wanted, made = Path(temporary) / "requirements.txt", Path(temporary) / "made"
            wanted.write_text(_POCL)
            options = ["--quiet", "--no-deps", "--require-hashes", "--disable-pip-version-check"]
            command = [sys.executable, "-m", "pip", "install", *options, "--target", str(made), "-r", str(wanted)]
            subprocess.run(command, check=True, timeout=300)
            made.rename(folder)
    (library,) = folder.glob("pyopencl/.libs/libpocl-*.so")
    return library


def _trained(workshop: Workshop, store: Path, device: str) -> TrainingFacts:
    """By the Job's command and environment. What the driver compiles, half a minute's work, is kept for next time."""
    kept = _CACHE / "kernels"
    kept.mkdir(parents=True, exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(kept),  # pocl crashes where there is none
        "PYTHONPATH": str(MODELS.parent / "services"),
        "OMP_WAIT_POLICY": "PASSIVE",
        "OCL_ICD_FILENAMES": str(_driver()),
        "POCL_CACHE_DIR": str(kept),
        "MODEL_NAME": "car-loan",
        "MODEL_STORE_URL": f"file://{store}",
        "RETRAINING_MODELS_FOLDER": str(workshop.models_folder),
        "RETRAINING_DATA_FOLDER": str(workshop.data_folder),
        "RETRAINING_NUM_THREADS": "1",
        "RETRAINING_DEVICE_TYPE": device,
    }
    store.mkdir()
    command = [sys.executable, "-m", "retraining", "bootstrap"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return ModelRegistry(ObjectStore(LocalStore(store)), "car-loan").manifest(1).training


def test_a_gpu_trains_what_the_cpu_trains(workshop: Workshop, tmp_path: Path) -> None:
    """To the sixth digit of every metric: sums are in double precision, in another order."""
    cpu, gpu = (_trained(workshop, tmp_path / device, device) for device in ("cpu", "gpu"))
    assert gpu.parameters["device_type"] == "gpu"
    assert "device_type" not in cpu.parameters
    assert gpu.metrics == pytest.approx(cpu.metrics, abs=1e-6)
