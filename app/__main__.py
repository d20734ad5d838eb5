"""``python -m app`` is the command line ``hocba``."""

from app.cli import main

main()
