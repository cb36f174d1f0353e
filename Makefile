.PHONY: style quality test test-all sample

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

# The result of the Video page's sample, computed anew.
sample:
	python -m streamlit_app.video.sample
