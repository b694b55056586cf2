# One command for everything a contributor runs. Targets do only what is not done yet; `make clean` starts afresh.
#
#   make demo     a store, the gateway and a link, on this machine       make lint    all static checks
#   make test     the tests (SLOW=1 adds the slow ones)                  make bench   side by side with others
#   make helm     the chart: rendered, validated, its alerts tested      make clean   remove what was installed here
#   make browser  pages in real browsers (SLOW=1 as above)
#   make lock     renew requirements.lock and .ci/*.lock                 make clients the table of S3 clients
#   make audit    advisories about everything that is locked, with a known-bad control
#   make gallery  a picture of each page, wide, narrow and dark: gallery/index.html
#   make sbom     the bill of materials of the lock: dist/sbom.json, CycloneDX
#   make record   the requests of client stacks, recorded again: tests/vectors/stacks
#   make replicas several gateways on one state, whole and broken
#   make ops      rolling restarts and corrupted reloads at their full lengths, with figures
#   make profile  what a request costs, step by step            make bench-check   whether one costs more than the last time
#   make acceptance 200,000 genuine requests and 200,000 altered ones, with figures

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.PHONY: acceptance demo test lint format audit bench bench-check profile clients record gallery browser helm ops replicas lock sbom clean tools

PYTHON ?= python3
WORKERS ?= 4
BIN := .venv/bin
# How a run of `make ops` and `make replicas` is done otherwise, its figures kept nowhere: OTHERWISE="--over-tls --without-uvloop".
RUN = $(BIN)/python $(if $(OTHERWISE),-m tests.servers.otherwise $(OTHERWISE))
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

demo: .venv/runtime.stamp
	$(BIN)/gateway demo $(ARGS)

test: .venv/dev.stamp .tools/tools.stamp
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not helm and not browser$(if $(SLOW),, and not slow)" $(ARGS)

# Pages, previews, media, uploads and the console in Chromium, Firefox and WebKit.
browser: .venv/dev.stamp .tools/tools.stamp
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "browser$(if $(SLOW),, and not slow)" $(ARGS)

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy gateway
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

format: .venv/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/dev.stamp .tools/tools.stamp
	$(BIN)/python -m tests.bench $(ARGS)

# By counts of instructions, which a busy machine does not change: exit code 1 when a request needs 3 % more than the last time.
bench-check: .venv/dev.stamp .tools/tools.stamp
	@$(BIN)/python -m tests.bench.instructions $(ARGS)

profile: .venv/dev.stamp .tools/tools.stamp
	@$(BIN)/python -m tests.bench.costs $(ARGS)

# Six to twenty minutes on two free cores; the figures go to tests/fuzz/RESULTS.md after each piece of five thousand.
acceptance: .venv/dev.stamp
	$(BIN)/python -m tests.fuzz.tamper --write $(ARGS)

clients: .venv/dev.stamp .tools/tools.stamp
	$(BIN)/python -m tests.clients.install
	$(BIN)/python -m tests.clients $(ARGS)

gallery: .venv/dev.stamp .tools/tools.stamp
	$(BIN)/python -m tests.pages gallery

record: .venv/dev.stamp
	$(BIN)/python -m tests.vectors.record $(ARGS)

# Rolling restarts, corrupted reloads and the image's steps at their full lengths; as root. Ten minutes.
ops: .venv/dev.stamp .tools/tools.stamp
	.ci/packages debootstrap iproute2
	$(RUN) -m tests.ops $(if $(OTHERWISE),--only rolling --only corruption) $(ARGS)

helm: .venv/dev.stamp .tools/kube.stamp
	.tools/kube/bin/yamllint --strict -c .yamllint helm/Chart.yaml helm/values.yaml helm/alerts.yaml helm/alerts_test.yaml helm/examples policies gateway.yaml
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal tests/helm $(ARGS)

# Several gateways on PostgreSQL and Valkey, whole and broken; then a million links and revocations. Twenty minutes.
replicas: .venv/dev.stamp .tools/tools.stamp
	.ci/packages postgresql libfaketime
	$(RUN) -m tests.replicas.figures $(if $(OTHERWISE),,--out tests/replicas/RESULTS.md) $(ARGS)
	$(RUN) -m tests.replicas.kill_gateway
	$(RUN) -m tests.replicas.million $(if $(OTHERWISE),,--out tests/replicas/MILLION.md)
	$(RUN) -m tests.replicas.lists $(if $(OTHERWISE),,--out tests/replicas/LISTS.md)

# The lock of the image and of `make demo`, and the superset that tests need. Neither names an index.
COMPILE = $(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml
RUNTIME_EXTRAS = build cel demo mail postgres redis tracing

lock: .venv/venv.stamp
	$(PIP) install uv
	$(COMPILE) $(addprefix --extra ,$(RUNTIME_EXTRAS)) --output-file requirements.lock
	$(COMPILE) --all-extras --constraint requirements.lock --output-file .ci/dev.lock
	echo cyclonedx-bom | $(subst pyproject.toml,-,$(COMPILE)) --no-annotate --output-file .ci/sbom.lock

# What the lock names, with its hashes; the same lock gives the same file. The image leaves out the demo's store and the build tools.
sbom: .tools/sbom.stamp
	@mkdir -p dist
	.tools/sbom/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --short-PURLs --output-file dist/sbom.json requirements.lock

# Make itself ends with 2 for whatever is not 0; `.ci/audit` says which. 0: nothing known; 1: advisories; 2: the database cannot be reached; 3: it does not know what everybody knows.
audit:
	@$(PYTHON) .ci/audit $(ARGS) requirements.lock .ci/dev.lock .ci/sbom.lock

clean:
	rm -rf .venv .tools .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build

# What is installed, each step once.

.venv/venv.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=...)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || .ci/packages python3-venv
	$(PYTHON) -m venv .venv
	@touch $@

.venv/runtime.stamp: .venv/venv.stamp requirements.lock pyproject.toml
	$(PIP) install --require-hashes --requirement requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev.stamp: .venv/runtime.stamp .ci/dev.lock
	$(PIP) install --require-hashes --requirement .ci/dev.lock
	@touch $@

tools: .tools/tools.stamp .tools/kube.stamp

.tools/sbom.stamp: .ci/sbom.lock
	@mkdir -p .tools
	$(PYTHON) -m venv --clear .tools/sbom
	.tools/sbom/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --requirement .ci/sbom.lock
	@touch $@

.tools/kube.stamp: .venv/dev.stamp .ci/packages tests/helm/tools.lock tests/helm/binaries.lock
	@mkdir -p .tools
	.ci/packages prometheus
	$(BIN)/python -m tests.helm.install
	@touch $@

.tools/tools.stamp: .venv/dev.stamp .ci/packages tests/servers/swift.lock tests/clients/core.lock tests/clients/package-lock.json tests/clients/tuspy.lock tests/clients/uploads/package-lock.json
	@mkdir -p .tools
	.ci/packages curl wget lftp aria2 s3cmd chromium firefox-esr ffmpeg fonts-dejavu-core postgresql pgbouncer prometheus nginx wrk haproxy strace valgrind gcc libc6-dev \
		libfaketime libnginx-mod-http-js webkit2gtk-driver xvfb gstreamer1.0-plugins-good gstreamer1.0-libav \
		libarchive-tools p7zip-full unzip zip default-jdk-headless
	$(BIN)/python -m tests.servers.install
	command -v npm >/dev/null || .ci/packages nodejs npm
	$(BIN)/python -m tests.clients.install core node tuspy uploads
	@touch $@
