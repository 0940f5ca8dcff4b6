"""pln_ivr: the Asterisk ARI application behind 123, PLN's contact centre."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("pln-ivr")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+checkout"
