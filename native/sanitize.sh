#!/usr/bin/env bash
# Builds the kernel with the address and undefined-behaviour sanitizers in a temporary directory and runs its tests under
# them: once with the AVX2 loops (where the processor has them) and, at the same time, once with the plain ones. About two
# minutes on two idle cores.
#
# Usage, from anywhere: native/sanitize.sh        (after `make setup`; needs g++)
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

sanitizers="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"

# The interpreter is not built with the sanitizer, so its library has to be loaded first, together with the C++ library, whose
# exceptions it intercepts. What Python itself never frees is no finding.
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1
export UBSAN_OPTIONS=print_stacktrace=1
compiler=${CXX:-g++}
preload="$("$compiler" -print-file-name=libasan.so):$("$compiler" -print-file-name=libstdc++.so.6)"

check() { # check NAME FLAGS...
    local tree="$build/$1"
    cmake -S . -B "$tree" -DCMAKE_BUILD_TYPE=None -DSEAWALL_SANITIZE="$sanitizers ${*:2}" \
        -DPython_EXECUTABLE="$PWD/.venv/bin/python" -G "Unix Makefiles"
    cmake --build "$tree"
    # The editable install would import the ordinary kernel, so the sanitized one is put in its place beforehand. The
    # project's conftest is left out: it sets up Django, which these tests do not need.
    LD_PRELOAD="$preload" SANITIZED=$(echo "$tree"/seawall_native*.so) python -c '
import importlib.util, os, sys
spec = importlib.util.spec_from_file_location("seawall_native", os.environ["SANITIZED"])
kernel = importlib.util.module_from_spec(spec)
spec.loader.exec_module(kernel)
sys.modules["seawall_native"] = kernel
import pytest
sys.exit(pytest.main(["tests/rooms/native", "--noconftest", "-q", "-p", "no:cacheprovider", "-m", "not slow", "-x"]))
'
}

check avx2 >"$build/avx2.log" 2>&1 &
first=$!
check plain -DSEAWALL_PLAIN >"$build/plain.log" 2>&1 &
second=$!
failed=""
wait "$first" || failed="avx2"
wait "$second" || failed="$failed plain"
for name in avx2 plain; do
    case " $failed " in
        *" $name "*) echo "sanitizers, $name loops:"; cat "$build/$name.log" ;;
        *) echo "sanitizers, $name loops: $(tail -n 1 "$build/$name.log")" ;;
    esac
done
if [ -n "$failed" ]; then
    echo "The sanitizers stopped the kernel or a test failed: see above for the first finding." >&2
    exit 1
fi
