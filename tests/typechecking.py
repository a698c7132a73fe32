"""The checker that annotations are held to in tests: beartype, with integers where floats are asked for."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
