"""Looking at contracts, templates or stages does not load what only running them needs."""

from __future__ import annotations

import subprocess
import sys

from tests.architecture.rooms import ROOT, built, files

HEAVY = {"adbc_driver_manager", "adbc_driver_postgresql", "boto3", "httpx", "nanoarrow", "polars", "prefect"}


def loaded_by(*modules: str, then: str = "") -> set[str]:
    program = (
        f"import {', '.join(modules)}, sys; {then or 'pass'}; print(*{{name.split('.')[0] for name in sys.modules}})"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def modules_in(folder: str) -> list[str]:
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files(folder)]
    return [name.removesuffix(".__init__") for name in names]


def test_contracts():
    assert "contracts" in built()
    assert loaded_by(*modules_in("contracts")) & HEAVY == set()


def test_the_registry_of_connectors():
    assert loaded_by("connectors.registry") & HEAVY == set()


def test_the_list_of_templates_loads_no_driver_of_a_sink():
    """A form or a list of what there is costs the API no 50 MB of Arrow."""
    told = "connectors.registry.EndpointRegistry().descriptors()"
    drivers = {"adbc_driver_manager", "adbc_driver_postgresql", "boto3", "pyarrow", "pyiceberg"}
    assert loaded_by("connectors.registry", then=told) & drivers == set()


def test_the_stages():
    stages = modules_in("flows/stages")
    assert "flows.stages.run" in stages
    assert {"prefect", "prefect_aws"} & loaded_by(*stages) == set()


def test_the_sandbox():
    ours = set(built()) - {"sandbox", "contracts"}
    assert loaded_by(*(name for name in modules_in("sandbox") if name != "sandbox.s3.moto_process")) & ours == set()
