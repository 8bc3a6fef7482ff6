#!/usr/bin/env bash
# Re-solve every lock file. Needs uv on the PATH (any recent one); pip installs from the result.
# dev.lock is solved first and constrains the others, so the five never disagree about a version.
set -euo pipefail
cd "$(dirname "$0")/.."
solve() { # solve NAME [uv arguments]
  local name=$1; shift
  uv pip compile pyproject.toml "$@" --universal --python-version 3.11 --no-emit-index-url \
    --generate-hashes --no-annotate --no-header --quiet --output-file "requirements/$name.lock"
}
solve dev --extra iceberg --extra dask --extra fast --group dev
solve runtime --constraints requirements/dev.lock
solve notebooks --extra iceberg --extra dask --extra fast --group dev --group notebooks --constraints requirements/dev.lock
solve docs --group docs --constraints requirements/dev.lock
solve bench --extra iceberg --extra dask --extra fast --group dev --group bench --constraints requirements/dev.lock
# The peer the benchmarks measure against lives in an environment of its own.
uv pip compile requirements/dlt.in --universal --python-version 3.11 --no-emit-index-url \
  --generate-hashes --no-annotate --no-header --quiet --output-file requirements/dlt.lock
