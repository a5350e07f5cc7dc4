"""The stand-in for HMA: threatexchange's PDQ hasher and index behind Flask, to be run by gunicorn with sync workers.

    STAND_IN_HASHES=hashes.npy gunicorn 'benchmarks.stand_in:create_app()'

`POST /match` takes a form with the file `photo` and answers its matches. It keeps no record and has no jail.
"""

import os
from typing import Any

import numpy as np

from benchmarks import peers

HASHES = "STAND_IN_HASHES"


def create_app() -> Any:
    flask, faiss = _needed("flask"), _needed("faiss")
    hasher = _needed("threatexchange.signal_type.pdq.pdq_hasher")
    # One core is what it has; without this OpenMP's threads would only stand in each other's way.
    faiss.omp_set_num_threads(1)
    index = _index()
    app = flask.Flask(__name__)

    def match() -> Any:
        value, quality = hasher.pdq_from_bytes(flask.request.files["photo"].read())
        found = index.query(value)
        matches = [{"signal": one.metadata, "distance": one.similarity_info.distance} for one in found]
        return flask.jsonify(pdq=value, quality=quality, matches=matches)

    app.add_url_rule("/match", view_func=match, methods=["POST"])
    app.add_url_rule("/livez", endpoint="livez", view_func=lambda: "alive")
    return app


def _index() -> Any:
    """As threatexchange builds it: hashes as hexadecimal text, each with what it stands for."""
    rows = np.load(os.environ[HASHES])
    index = _needed("threatexchange.signal_type.pdq.pdq_index").PDQIndex()
    index.add_all((row.tobytes().hex(), number) for number, row in enumerate(rows))
    return index


def _needed(module: str) -> Any:
    found = peers.find(module)
    if found is None:
        raise SystemExit(f"{module} is not installed: run `make bench`")
    return found
