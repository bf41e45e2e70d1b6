# What people run. Needs Python 3.11 or newer and make; everything else is fetched into .venv.
# PYTHON=/path/to/python chooses the Python, PORT= where `make demo` and `make serve` listen, ARGS= goes to pytest and to chaos.

.PHONY: help demo test lint bench chaos serve clean run-environment dev-environment messages
.DEFAULT_GOAL := help
export PYTHON PORT

help:
	@echo "make demo    try it: a shop, its orders, the portal, the help desk and the API on this machine"
	@echo "make test    run the tests (ARGS='tests/crm -k refund' for some)"
	@echo "make lint    check style, types, migrations and settings"
	@echo "make bench   measure speed, into var/bench.json"
	@echo "make chaos   let everything fail that can, and look whether the promises hold, into var/chaos.json"
	@echo "make serve   run the web and the worker with the settings of the environment or .env"
	@echo "make clean   stop what runs here and remove .venv and var/, with all data in it"

demo: run-environment messages
	@.venv/bin/python -m postpurchase.demo.run

serve: run-environment messages
	@.venv/bin/python -m postpurchase.serve

test: dev-environment messages
	.venv/bin/python -m pytest -n auto $(ARGS)

# These look at code and settings alone: no server answers at that address, and none is asked.
lint: export DATABASE_URL = postgres://nobody@127.0.0.1:9/none
lint: export SECRET_KEY = oMsJnFN-wXh5QTd1kZkW3yUbAqLzv8CtGr0iPe7u-for-checks-alone
lint: export SITE_URL = https://postpurchase.example
lint: dev-environment
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/python -W ignore::RuntimeWarning manage.py makemigrations --check
	.venv/bin/python manage.py check --deploy --fail-level WARNING

bench: dev-environment messages
	@.venv/bin/python manage.py bench

# It brings a PostgreSQL of its own, which it kills; the one of the settings is never asked.
chaos: export DATABASE_URL = postgres://nobody@127.0.0.1:9/none
chaos: dev-environment messages
	@.venv/bin/python manage.py chaos $(ARGS)

clean:
	@if [ -x .venv/bin/python ] && [ -d var ]; then \
		.venv/bin/python -m postpurchase.demo.run stop && \
		for folder in var/postgres* var/chaos/postgres; do .venv/bin/python -m postpurchase.database stop "$$folder"; done; \
	fi
	rm -rf .venv .venv-bench var .pytest_cache .mypy_cache .ruff_cache
	find postpurchase crm support loyalty tests -name __pycache__ -prune -exec rm -rf {} +
	find postpurchase crm support loyalty -name '*.mo' -exec rm -f {} +

run-environment:
	@bin/environment run

dev-environment:
	@bin/environment dev

# Compiled translations are not kept in git. Babel reads them, so that no gettext need be installed.
messages: $(patsubst %.po,%.mo,$(shell find postpurchase crm support loyalty -name '*.po'))

%.mo: %.po
	@.venv/bin/pybabel --quiet compile --use-fuzzy --input-file=$< --output-file=$@
