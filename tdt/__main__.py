"""`python -m tdt`: the same as the command `tdt`."""

from tdt.cli import main

main()
