"""`python -m app.cli` is `tinymlaas`."""

from app.cli import main

main()
