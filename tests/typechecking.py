"""Checks annotations in tests: beartype, which takes integers where floats are annotated."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
