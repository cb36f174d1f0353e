.PHONY: style quality test test-all

style:
	ruff format .
	ruff check --fix .

quality:
	ruff format --check .
	ruff check .
	mypy
	lint-imports

test:
	pytest

test-all:
	pytest -m ""
