# Run read-only with:
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges -p 127.0.0.1:8080:8080 \
#     -e CDS_JWT=off -v anakinra-cds:/var/lib/anakinra-cds anakinra-cds
# Only what serves is installed, with the driver of a PostgreSQL store and what sends traces. The pages are built at each
# start, into /tmp: which site they are for is chosen then (CDS_SITE, CDS_KNOWLEDGE), and pages of another site would be
# refused.
# docs/operation.md shows two replicas behind a proxy (compose.yaml) and in Kubernetes (deploy/kubernetes).
ARG PYTHON_VERSION=3.13

FROM python:${PYTHON_VERSION}-slim AS builder
# Of the builder nothing is left in the image: it takes the compiler that its base image's Debian has.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
# durable-rules 2.0.28 calls a function that Python 3.13 removed; the new name takes the same arguments.
ENV CPPFLAGS="-DPyEval_CallObject=PyObject_CallObject" \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY . .
RUN pip wheel --quiet --wheel-dir /wheels '.[postgres,otel]'
# The versions are those of the wheels just made.
# hadolint ignore=DL3013
RUN python -m venv --without-pip /opt/anakinra-cds \
    && pip --python /opt/anakinra-cds install --quiet --no-index --find-links /wheels 'anakinra-cds[postgres,otel]' \
    && /opt/anakinra-cds/bin/python -c "import durable.lang, cds_service.cli"

FROM python:${PYTHON_VERSION}-slim
RUN groupadd --system --gid 10001 cds \
    && useradd --system --uid 10001 --gid cds --no-create-home --shell /usr/sbin/nologin cds \
    && install --directory --owner=cds --group=cds --mode=0750 /var/lib/anakinra-cds
COPY --from=builder /opt/anakinra-cds /opt/anakinra-cds
ENV PATH="/opt/anakinra-cds/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CDS_DATA=/var/lib/anakinra-cds
# The only folder that is written to, besides /tmp.
WORKDIR /var/lib/anakinra-cds
VOLUME /var/lib/anakinra-cds
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/health', timeout=4)"]
CMD ["anakinra-cds", "serve", "--host", "0.0.0.0", "--port", "8080"]
