"""`python -m toolchain`: the toolchain's command line."""

from toolchain.cli import main

main()
