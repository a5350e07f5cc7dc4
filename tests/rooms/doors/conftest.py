"""The gate in memory, for the tests of the doors."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from seawall.doors.gate import Gate, StateHolder, document
from seawall.settings import Settings
from seawall.signals.extract import IMAGE_FUNCTION
from seawall.signals.jail import InProcess
from tests.rooms.doors.scene import NOW, Api, TestRecorder, cast, publish


@pytest.fixture
def gate_settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", max_body_bytes=2_000_000)


@pytest.fixture
def api(tmp_path: Path, gate_settings: Settings) -> Iterator[Api]:
    directory, people, recorder = tmp_path / "state", cast(), TestRecorder()
    publish(directory, people.records)
    holder = StateHolder(directory)
    assert holder.refresh()
    with InProcess(functions=(IMAGE_FUNCTION,)) as jail:
        gate = Gate(
            settings=gate_settings,
            holder=holder,
            recorder=recorder,
            jail=jail,
            clock=lambda: NOW,
            openapi=msgspec.json.encode(document(version="0")),
        )
        yield Api(app=gate, recorder=recorder, cast=people, directory=directory, holder=holder)
        gate.close()
