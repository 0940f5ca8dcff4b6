"""Asterisk, pln_ivr and scripted phones on this machine without a Docker engine.

docker/up and docker/down run this package where no engine answers, and the tests and benchmarks
start their PBX with it. Standard library only: it runs before any virtual environment exists.
"""
