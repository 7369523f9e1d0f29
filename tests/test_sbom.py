"""`make sbom` writes what a release consists of: every package of its lock, with its hashes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements-runtime.lock").read_text()
LOCKED = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)((?: \\\n\s+--hash=sha256:[0-9a-f]{64})+)", re.MULTILINE)


@pytest.mark.takes_long
def test_the_bill_of_materials_names_all_that_is_locked(tmp_path: Path) -> None:
    """By the command of the Makefile. The tool itself checks it by the schema of CycloneDX."""
    recipe = re.search(r"^sbom: .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    command = recipe[1].replace("\t@mkdir -p build\n", "").replace("\\\n", " ").strip()
    file = tmp_path / "sbom.cdx.json"
    words = command.replace("$(BIN)/cyclonedx-py", f"{sys.executable} -m cyclonedx_py").split()
    assert words[-1] == "build/sbom.cdx.json"
    subprocess.run([*words[:-1], str(file)], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    written = json.loads(file.read_text())
    assert (written["bomFormat"], written["metadata"]["component"]["name"]) == ("CycloneDX", "sojourn")
    locked = {
        (name, version): sorted(re.findall(r"sha256:([0-9a-f]{64})", hashes))
        for name, version, hashes in LOCKED.findall(LOCK)
    }
    assert len(locked) == len(re.findall(r"^\S+==", LOCK, re.MULTILINE)) > 50
    named = {
        (part["name"], part["version"]): sorted(
            each["content"] for reference in part["externalReferences"] for each in reference["hashes"]
        )
        for part in written["components"]
    }
    assert named == locked
    assert all(part["purl"] == f"pkg:pypi/{part['name']}@{part['version']}" for part in written["components"])
