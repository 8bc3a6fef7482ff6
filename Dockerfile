# One image for worker, API and Prefect's server; compose.yaml says which is which.
FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/nucleus
COPY requirements/runtime.lock /tmp/runtime.lock
RUN /opt/nucleus/bin/pip install --no-deps --require-hashes -r /tmp/runtime.lock
COPY . /source
RUN /opt/nucleus/bin/pip install --no-deps /source

FROM python:3.12-slim
RUN useradd --create-home --uid 10001 nucleus && install -d -o nucleus /var/lib/nucleus
COPY --from=build /opt/nucleus /opt/nucleus
ENV PATH=/opt/nucleus/bin:$PATH \
    NUCLEUS_HOME=/var/lib/nucleus \
    PREFECT_HOME=/var/lib/nucleus/prefect \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /var/lib/nucleus
CMD ["nucleus", "--help"]
