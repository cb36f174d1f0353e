.PHONY: style quality test test-all docs links sample

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

# The site from docs/, into build/docs; every warning is an error.
docs:
	python -m sphinx -q -W --keep-going docs build/docs

# Whether the links from docs/ to other sites still lead there; needs the internet.
links:
	python -m sphinx -q -b linkcheck docs build/links

# The result of the Video page's sample, computed anew.
sample:
	python -m streamlit_app.video.sample
