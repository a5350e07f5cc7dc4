"""What this run stands on: processor, features, cores, versions."""

import os
import platform
from pathlib import Path

from benchmarks.model import Machine
from benchmarks.peers import version

#: The features that the kernels choose by.
TELLING = ("popcnt", "avx2", "avx512f", "avx512bw", "avx512_vpopcntdq", "asimd", "sve")

DISTRIBUTIONS = (
    "seawall", "numpy", "pillow", "simplejpeg", "faiss-cpu", "pdqhash", "threatexchange", "flask", "gunicorn",
)  # fmt: skip


def describe() -> Machine:
    cpu = _cpu_information()
    flags = set((cpu.get("flags") or cpu.get("Features") or "").split())
    return Machine(
        processor=cpu.get("model name") or platform.processor() or platform.machine(),
        features=tuple(feature for feature in TELLING if feature in flags),
        cores=os.cpu_count() or 1,
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        system=f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        load_before=round(os.getloadavg()[0], 2),
        versions={name: version(name) for name in DISTRIBUTIONS},
    )


def _cpu_information() -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo; empty where there is none."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    first = path.read_text(encoding="utf-8").partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
