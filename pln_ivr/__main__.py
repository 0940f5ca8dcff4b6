"""``python -m pln_ivr``: the same as ``pln-ivr``."""

from pln_ivr.cli import main

main()
